//! Erasing flash.

use super::loader::RamLoader;
use crate::error::Result;
use crate::plan::FlashRange;
use crate::request::Request;

impl RamLoader {
    /// Erases one unit: 4, 32 or 64 KiB on its own alignment (see [`crate::plan::erase_units`]).
    pub(crate) async fn erase_unit(&mut self, unit: FlashRange) -> Result<()> {
        self.ask(&Request::erase(unit)).await?;
        Ok(())
    }

    /// Erases the whole flash by its own command (3Ch).
    pub(crate) async fn chip_erase(&mut self) -> Result<()> {
        self.ask(&Request::chip_erase(self.whole_flash())).await?;
        Ok(())
    }
}
