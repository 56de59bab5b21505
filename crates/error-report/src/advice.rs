//! The code and the hint of every error.
//!
//! The matches have no default arm for errors of the engine, so that a new variant requires a decision. Only kinds of
//! I/O errors, which the standard library may extend, have one.

pub(crate) mod bundle;
pub(crate) mod credentials;
pub(crate) mod pull;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod transfer;

use std::error::Error as StdError;
use std::io::ErrorKind;

use crate::ErrorCode;

/// The code of an error, and how to solve the problem if there is a general remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The code.
    pub code: ErrorCode,
    /// The remedy, as an instruction.
    pub hint: Option<String>,
}

impl Advice {
    /// Makes an advice without a hint.
    pub fn code(code: ErrorCode) -> Self {
        Self { code, hint: None }
    }

    /// Makes an advice with a hint.
    pub fn hint(code: ErrorCode, hint: impl Into<String>) -> Self {
        Self {
            code,
            hint: Some(hint.into()),
        }
    }
}

fn corrupt_advice() -> Advice {
    Advice::hint(
        ErrorCode::Corrupt,
        "the registry or a proxy delivers wrong bytes; nothing was stored",
    )
}

fn malformed_advice(code: ErrorCode) -> Advice {
    Advice::hint(
        code,
        "the image is malformed; nothing was stored. Report it to the image's publisher",
    )
}

fn repair_advice() -> Advice {
    Advice::hint(ErrorCode::Store, "pull the image again to repair it")
}

/// Returns the advice for an I/O error of the store: `code`, unless the disk is full or a permission is missing.
///
/// The innermost I/O error decides, and `is_no_space` overrides it.
pub fn io_advice(error: &(dyn StdError + 'static), is_no_space: bool, code: ErrorCode) -> Advice {
    let kind = if is_no_space {
        Some(ErrorKind::StorageFull)
    } else {
        io_kind(error)
    };
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Advice::hint(
            ErrorCode::NoSpace,
            "free space on that disk, or keep images elsewhere with --root",
        ),
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => Advice::hint(
            ErrorCode::NoPermission,
            "run as a user with the permission, or keep images elsewhere with --root",
        ),
        Some(_) | None => Advice::code(code),
    }
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut kind = None;
    let mut cause = Some(error);
    while let Some(error) = cause {
        kind = error.downcast_ref().map(std::io::Error::kind).or(kind);
        cause = error.source();
    }
    kind
}
