//! The flasher.
