//! Signal names.

use windlass_oci::text::sanitize;

use super::problem::ChangeProblem;

/// The signals of Linux, by their names without `SIG`.
const SIGNALS: [&str; 37] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN",
    "RTMAX",
];

/// The highest number of a signal.
const MAX_NUMBER: u32 = 64;

/// The number of real-time signals without a name of their own.
const UNNAMED_REAL_TIME: u32 = 30;

/// Returns `signal` if it is valid: a number, or a name with or without `SIG`, in any case.
pub(super) fn checked(signal: String) -> Result<String, ChangeProblem> {
    let upper = signal.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_number = signal
        .parse::<u32>()
        .is_ok_and(|number| (1..=MAX_NUMBER).contains(&number));
    let is_between = ["RTMIN+", "RTMAX-"].iter().any(|start| {
        let number = name
            .strip_prefix(start)
            .and_then(|text| text.parse::<u32>().ok());
        number.is_some_and(|number| number <= UNNAMED_REAL_TIME)
    });
    if is_number || is_between || SIGNALS.contains(&name) {
        return Ok(signal);
    }
    Err(ChangeProblem::Expected {
        what: "a signal, such as SIGTERM or 15",
        found: sanitize(&signal),
    })
}
