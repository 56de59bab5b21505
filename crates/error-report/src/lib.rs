//! Errors of windlass operations as users and programs read them.
//!
//! An [`OperationError`] states what was being done when an error of the engine occurred. Its [`ErrorReport`] has the
//! message, an [`ErrorCode`] for programs and, where there is a remedy, a hint. A report is plain data, so that a daemon
//! can send it to the command that requested the operation.
//!
//! `docs/errors.md` lists the codes with causes and remedies.

mod advice;
mod code;
mod login;
mod operation;
mod report;
mod transfer;

pub use advice::{Advice, client_advice, io_advice, open_advice};
pub use code::ErrorCode;
pub use login::{LoginState, RegistryLogin};
pub use operation::{OperationError, RegistryAction};
pub use report::ErrorReport;
pub use transfer::TransferError;
