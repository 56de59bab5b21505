//! Pulls from a scripted registry into a real store, seen from outside.

mod again;
mod cancel;
mod contradictions;
mod events;
mod hostile;
mod limits;
mod ordinary;
mod platform;
mod resume;
mod retries;
mod sharing;
mod support;
mod verify;
