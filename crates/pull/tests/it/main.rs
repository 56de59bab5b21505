//! Tests of the public API: pulls from a scripted registry into a store.

mod access;
mod cancel;
mod contradictions;
mod events;
mod foreign;
mod hostile;
mod images;
mod limits;
mod mirrors;
mod partials;
mod platform;
mod preview;
mod repeated;
mod resume;
mod retries;
mod schema1;
mod sharing;
mod split;
mod support;
mod verify;
