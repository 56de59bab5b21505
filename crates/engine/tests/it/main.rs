//! The engine as its doors see it, between a scripted registry and a real store.

mod filters;
mod prune;
mod support;
