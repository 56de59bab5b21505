//! For tests: a scripted registry, image and tar builders, a sandbox; and Debian's own servers.

pub mod real;
