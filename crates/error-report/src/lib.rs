//! Errors of windlass operations as users and programs read them.
//!
//! An [`OperationError`] states what was being done when an error of the engine occurred. Its [`ErrorReport`] has the
//! message, an [`ErrorCode`] for programs and, where there is a remedy, a hint. A report is plain data, so that a daemon
//! can send it to the command that requested the operation.
//!
//! `docs/errors.md` lists the codes with causes and remedies.

mod advice;
mod error_code;
mod find_cause;
mod operation_error;
mod operation_report;
mod registry_login;
mod report;
mod transfer_cause;
mod transfer_error;

pub use advice::pull::client_advice;
pub use advice::store::open_advice;
pub use advice::{Advice, io_advice};
pub use error_code::ErrorCode;
pub use operation_error::{OperationError, RegistryAction};
pub use registry_login::{LoginState, RegistryLogin};
pub use report::ErrorReport;
pub use transfer_error::TransferError;
