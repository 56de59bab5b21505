//! The environment variables. They are read once and here only; the other crates receive values.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use windlass::registry::{Proxies, Secret};

/// The environment variables that windlass uses, at the start of the process.
///
/// `WINDLASS_ROOT` and `WINDLASS_CONFIG` are defaults of arguments, which the argument parser reads. The variables about
/// colour are read by the library that decides on colours.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one field per variable")]
pub(crate) struct Environment {
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_DATA_HOME`, if it is absolute.
    pub(crate) xdg_data_home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, if it is absolute.
    pub(crate) xdg_config_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, if it is absolute.
    pub(crate) xdg_runtime_dir: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the directory of Docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the content of such a file, as CI systems set it.
    pub(crate) docker_auth_config: Option<Secret>,
    /// `REGISTRY_AUTH_FILE`: podman's file with credentials.
    pub(crate) registry_auth_file: Option<PathBuf>,
    /// `PATH`: where credential helpers are.
    pub(crate) path: OsString,
    /// `SSL_CERT_FILE`: certificates to trust instead of the system's.
    pub(crate) ssl_cert_file: Option<PathBuf>,
    /// `SSL_CERT_DIR`: directories with such files, separated by colons.
    pub(crate) ssl_cert_dirs: Vec<PathBuf>,
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either case.
    pub(crate) proxies: Proxies,
    /// The variables of a service manager.
    pub(crate) service: ServiceVariables,
    /// `WINDLASS_NO_SYSTEM_CONFIG`: files in `/etc` are ignored, for tests.
    pub(crate) ignores_system_config: bool,
    /// `SOURCE_DATE_EPOCH`: the creation time of new images, in seconds since 1970.
    pub(crate) source_date_epoch: Option<String>,
    /// Whether the user is root.
    pub(crate) is_root: bool,
    /// Whether `CI` is set: terminals of CI systems are logs.
    pub(crate) is_ci: bool,
    /// Whether `TERM` is `dumb`: the terminal has no escapes.
    pub(crate) is_dumb: bool,
}

/// The variables that a service manager such as systemd sets for its services.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceVariables {
    /// `LISTEN_FDS`: the number of sockets for this process (`LISTEN_PID`).
    pub(crate) sockets: usize,
    /// `LISTEN_FDNAMES`: the names of the sockets.
    pub(crate) socket_names: Vec<String>,
    /// `NOTIFY_SOCKET`: the socket that receives the status of the service.
    pub(crate) notify_socket: Option<PathBuf>,
    /// `WATCHDOG_USEC`: the time within which this process (`WATCHDOG_PID`) must report its status.
    pub(crate) watchdog: Option<Duration>,
}

/// The properties of standard error that decide on the display of progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TerminalFeatures {
    /// Whether it is a terminal with escapes, and not that of a CI system.
    pub(crate) is_live: bool,
    /// Whether it accepts colours.
    pub(crate) color: bool,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub(crate) fn read() -> Self {
        Self::from(
            |name| std::env::var_os(name),
            rustix::process::geteuid().is_root(),
        )
    }

    fn from(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        // The lower-case name has priority, as in curl.
        let text = |lower: &str| {
            let value = set(lower).or_else(|| set(&lower.to_uppercase()))?;
            Some(value.to_string_lossy().into_owned())
        };
        let proxy = |name: &str| text(name).or_else(|| text("all_proxy")).map(Secret::new);
        // The XDG specification requires relative paths to be ignored.
        let xdg = |name: &str| path(name).filter(|path| path.is_absolute());
        let is_on = |name: &str| set(name).is_some_and(|value| value != "false" && value != "0");
        let cert_dirs = set("SSL_CERT_DIR").unwrap_or_default();
        let auth_config = set("DOCKER_AUTH_CONFIG");
        Self {
            home: path("HOME"),
            xdg_data_home: xdg("XDG_DATA_HOME"),
            xdg_config_home: xdg("XDG_CONFIG_HOME"),
            xdg_runtime_dir: xdg("XDG_RUNTIME_DIR"),
            docker_config: path("DOCKER_CONFIG"),
            docker_auth_config: auth_config.map(|text| Secret::new(text.to_string_lossy())),
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            path: set("PATH").unwrap_or_default(),
            ssl_cert_file: path("SSL_CERT_FILE"),
            ssl_cert_dirs: std::env::split_paths(&cert_dirs)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            proxies: Proxies {
                http: proxy("http_proxy"),
                https: proxy("https_proxy"),
                no_proxy: text("no_proxy"),
            },
            service: ServiceVariables::from(set, std::process::id()),
            ignores_system_config: is_on("WINDLASS_NO_SYSTEM_CONFIG"),
            source_date_epoch: set("SOURCE_DATE_EPOCH")
                .map(|epoch| epoch.to_string_lossy().into_owned()),
            is_root,
            is_ci: is_on("CI"),
            is_dumb: set("TERM").is_some_and(|value| value == "dumb"),
        }
    }

    /// Returns the properties of the terminal that decide on the display of progress.
    pub(crate) fn terminal_features(&self) -> TerminalFeatures {
        let is_live = io::stderr().is_terminal() && !self.is_dumb && !self.is_ci;
        TerminalFeatures {
            is_live,
            color: colors(),
        }
    }
}

impl ServiceVariables {
    /// Variables with the PID of another process were inherited from a parent and are ignored.
    fn from(set: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let text = |name: &str| set(name)?.into_string().ok();
        let number = |name: &str| text(name)?.parse::<u64>().ok();
        let is_this = |number: u64| number == u64::from(pid);
        let is_for_this_process = number("LISTEN_PID").is_some_and(is_this);
        let is_watched = number("WATCHDOG_PID").is_none_or(is_this);
        let sockets = number("LISTEN_FDS").filter(|_| is_for_this_process);
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_watched && *micros > 0);
        let names = text("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            sockets: sockets.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            socket_names: match names.is_empty() {
                true => Vec::new(),
                false => names.split(':').map(str::to_owned).collect(),
            },
            notify_socket: set("NOTIFY_SOCKET").map(PathBuf::from),
            watchdog: watchdog.map(Duration::from_micros),
        }
    }
}

/// Returns whether standard error accepts colours: `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb` and the like.
pub(crate) fn colors() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.to_vec();
        let find = move |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Environment::from(find, false)
    }

    #[test]
    fn empty_is_unset_and_relative_data_homes_are_ignored() {
        let environment = environment(&[
            ("HOME", "/home/me"),
            ("XDG_DATA_HOME", "data"),
            ("DOCKER_CONFIG", ""),
            ("CI", "false"),
        ]);
        assert_eq!(environment.home, Some("/home/me".into()));
        assert_eq!(environment.xdg_data_home, None);
        assert_eq!(environment.docker_config, None);
        assert!(!environment.is_ci && !environment.is_dumb);
    }

    #[test]
    fn the_configuration_of_the_machine_can_be_ignored() {
        let ignores = |value| {
            let variables = [("WINDLASS_NO_SYSTEM_CONFIG", value)];
            environment(&variables).ignores_system_config
        };
        assert_eq!(
            ["1", "", "0", "false"].map(ignores),
            [true, false, false, false]
        );
    }

    #[test]
    fn directories_of_certificates_are_separated_by_colons() {
        let environment = environment(&[("SSL_CERT_DIR", "/a::/b"), ("XDG_RUNTIME_DIR", "run")]);
        assert_eq!(environment.ssl_cert_dirs, ["/a", "/b"].map(PathBuf::from));
        assert_eq!(environment.xdg_runtime_dir, None);
    }

    #[test]
    fn variables_for_another_process_are_ignored() {
        let service = |pid| {
            let variables = |name: &str| {
                let value = match name {
                    "LISTEN_PID" | "WATCHDOG_PID" => "7",
                    "LISTEN_FDS" => "2",
                    "LISTEN_FDNAMES" => "api:metrics",
                    "WATCHDOG_USEC" => "3000000",
                    _ => return None,
                };
                Some(OsString::from(value))
            };
            ServiceVariables::from(variables, pid)
        };
        let ours = service(7);
        assert_eq!(ours.sockets, 2);
        assert_eq!(ours.socket_names, ["api", "metrics"]);
        assert_eq!(ours.watchdog, Some(Duration::from_secs(3)));
        let others = service(8);
        assert_eq!((others.sockets, others.watchdog), (0, None));
    }

    /// I7.
    #[test]
    fn credentials_in_the_environment_are_not_shown() {
        let environment = environment(&[
            (
                "DOCKER_AUTH_CONFIG",
                r#"{"auths":{"a.test":{"auth":"Z29waGVyOmh1bnRlcjI="}}}"#,
            ),
            ("HTTPS_PROXY", "http://gopher:hunter2@proxy.test"),
        ]);
        let shown = format!("{environment:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("Z29w"),
            "{shown}"
        );
    }

    #[test]
    fn proxies_come_in_either_case_and_one_for_all() {
        let proxies = environment(&[
            ("ALL_PROXY", "http://all.test"),
            ("https_proxy", "http://low.test"),
            ("HTTPS_PROXY", "http://high.test"),
            ("NO_PROXY", "a.test,10.0.0.0/8"),
        ])
        .proxies;
        assert!(proxies.http == Some(Secret::new("http://all.test")));
        assert!(proxies.https == Some(Secret::new("http://low.test")));
        assert_eq!(proxies.no_proxy.as_deref(), Some("a.test,10.0.0.0/8"));
    }
}
