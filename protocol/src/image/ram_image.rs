//! RAM images.
