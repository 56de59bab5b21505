//! The limits of templates and of rendering.

/// The largest size of a template, in bytes.
pub(crate) const MAX_TEMPLATE_BYTES: usize = 64 << 10;
/// How deep blocks and parentheses may be nested.
pub(crate) const MAX_DEPTH: usize = 100;
/// The largest size of the rendered text, in bytes.
pub(crate) const MAX_OUTPUT_BYTES: usize = 16 << 20;
/// How many steps rendering may take: actions, calls, loop iterations, and the bytes that functions process.
pub(crate) const MAX_STEPS: usize = 10_000_000;
/// How many bytes of a text, or how many elements of a list, count as a step. All texts that variables hold have at most
/// [`MAX_STEPS`] times as many bytes.
pub(crate) const BYTES_PER_STEP: usize = 16;
/// The largest width and precision in `printf` (Rust's own limit is 65535), and the largest number of parts of `split`.
pub(crate) const MAX_WIDTH: usize = 60_000;
