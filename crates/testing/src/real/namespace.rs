//! Mount and process namespaces, so that what a program mounts and starts ends when it does.

use std::ffi::OsStr;
use std::process::{Command, exit};
use std::{io, thread};

use tokio::runtime;
use tokio::signal;

use super::{command, run};

/// Options of `unshare` for the namespaces; processes in them are killed with the first of them.
const UNSHARE: [&str; 6] = [
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// A command that runs `program` as the first process of namespaces of its own.
pub fn in_namespaces(program: impl AsRef<OsStr>) -> Command {
    let mut unshare = command("unshare");
    unshare.args(UNSHARE).arg("--").arg(program);
    unshare
}

/// Whether this process may make namespaces; takes root, as a rule.
pub fn can_make_namespaces() -> bool {
    run(&mut in_namespaces("true")).is_ok()
}

/// Whether this process is the first of its namespace, as [`in_namespaces`] makes it.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Ends this process at ^C, which the first process of a namespace does not hear by itself.
///
/// # Errors
/// When signals cannot be watched.
pub fn end_on_interrupt() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        if runtime.block_on(signal::ctrl_c()).is_ok() {
            #[expect(clippy::exit, reason = "takes every process of the namespace along")]
            exit(130);
        }
    });
    Ok(())
}
