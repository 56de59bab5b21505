//! Pulls from a scripted registry into a real store, seen from outside.

mod again;
mod cancel;
mod contradictions;
mod doors;
mod events;
mod foreign;
mod hostile;
mod kept;
mod limits;
mod mirrors;
mod ordinary;
mod platform;
mod preview;
mod resume;
mod retries;
mod schema1;
mod sharing;
mod split;
mod support;
mod verify;
