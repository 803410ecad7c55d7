//! Who has the pty open, and what clients do to their side of it.

use std::path::PathBuf;

use super::{Port, ServeError};
use crate::Nanos;
use crate::transport::clients::{Access, holders};
use crate::transport::host::HostChange;
use crate::transport::pty::{Note, PtyError};
use crate::transport::status::Notice;

impl Port {
    /// Takes the opens and closes that have been reported.
    pub(super) fn look_for_clients(&mut self) -> Result<(), ServeError> {
        while let Some(access) = self.host.next_access() {
            self.note_access(access)?;
        }
        Ok(())
    }

    /// Takes the opens and closes that have happened by now, reported or not.
    pub(super) fn ask_for_clients(&mut self) -> Result<(), ServeError> {
        self.host.catch_up()?;
        self.look_for_clients()
    }

    pub(super) fn note(&mut self, note: Note, wall: Nanos) -> Result<(), PtyError> {
        if note.flushed_input {
            // The kernel has emptied its queue; what waits here had come to the port as well.
            self.outbox.discard_due(wall);
            self.blocked = false;
            self.status.change(|status| status.input_flushes += 1);
        }
        if note.settings {
            self.sample()?;
        }
        Ok(())
    }

    pub(super) fn note_access(&mut self, access: Access) -> Result<(), PtyError> {
        match self.host.note(access)? {
            HostChange::None => {}
            HostChange::Opened => self.modem.opened(),
            HostChange::Closed { hangs_up } => {
                self.modem.closed(hangs_up);
                self.blocked = false;
            }
            HostChange::Another { opens } => {
                self.tell_holders(move |pty, holders| Notice::SecondClient { pty, opens, holders });
            }
            HostChange::Outsider => self.tell_holders(|pty, holders| Notice::Outsider { pty, holders }),
        }
        self.status.change(|status| status.opens = self.host.opens());
        Ok(())
    }

    /// Tells of one client too many, and who has the pty open.
    fn tell_holders(&self, notice: impl FnOnce(PathBuf, Vec<(u32, String)>) -> Notice + Send + 'static) {
        self.status.change(|status| status.second_clients += 1);
        let (pty, notices) = (self.host.path().to_owned(), self.notices.clone());
        tokio::task::spawn_blocking(move || {
            let holders = holders(&pty);
            // Nobody may be listening any more.
            let _ = notices.send(notice(pty, holders));
        });
    }
}
