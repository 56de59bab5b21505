//! The process to run: its command, environment and working directory.

use windlass_oci::RuntimeConfig;
use windlass_oci::text::sanitize;

use crate::defaults;
use crate::error::{BundleWarning, ConvertError};
use crate::options::{BundleOptions, EnvVariable};

/// Returns the program and its arguments: the entrypoint followed by the command.
///
/// Arguments in the options replace the image's command, and an entrypoint replaces both.
pub(crate) fn args(
    config: &RuntimeConfig,
    options: &BundleOptions,
) -> Result<Vec<String>, ConvertError> {
    let (entrypoint, command) = match &options.entrypoint {
        // As in Docker, an empty entrypoint removes that of the image.
        Some(none) if none.is_empty() => (Vec::new(), Vec::new()),
        Some(program) => (vec![program.clone()], Vec::new()),
        None => (
            config.entrypoint.clone().unwrap_or_default(),
            config.cmd.clone().unwrap_or_default(),
        ),
    };
    let command = options.args.clone().unwrap_or(command);
    let args = [entrypoint, command].concat();
    if args.first().is_none_or(String::is_empty) {
        return Err(ConvertError::NoCommand);
    }
    if args.iter().any(|argument| argument.contains('\0')) {
        return Err(ConvertError::Nul { what: "command" });
    }
    Ok(args)
}

/// Returns the environment: the image's variables, replaced by those of the options with the same name, and defaults
/// for the variables that programs rely on.
pub(crate) fn env(
    config: &RuntimeConfig,
    options: &BundleOptions,
    home: &str,
    warnings: &mut Vec<BundleWarning>,
) -> Vec<String> {
    let mut variables: Vec<EnvVariable> = Vec::new();
    for text in &config.env {
        match text.parse() {
            Ok(variable) => variables.push(variable),
            Err(_) => warnings.push(BundleWarning::Variable {
                text: sanitize(text),
            }),
        }
    }
    let is_given = |name: &str| options.env.iter().any(|given| given.name() == name);
    variables.retain(|variable| !is_given(variable.name()));
    variables.extend(options.env.iter().cloned());
    let mut defaults = vec![("PATH", defaults::PATH), ("HOME", home)];
    if options.tty {
        defaults.push(("TERM", "xterm"));
    }
    for (name, value) in defaults {
        if !variables.iter().any(|variable| variable.name() == name) {
            variables.extend(EnvVariable::new(name, value));
        }
    }
    let texts = variables
        .iter()
        .map(|variable| variable.as_str().to_owned());
    texts.collect()
}

/// Returns the working directory. The runtime creates it if it is missing.
pub(crate) fn cwd(config: &RuntimeConfig, options: &BundleOptions) -> Result<String, ConvertError> {
    let cwd = options.cwd.as_deref().or(config.working_dir.as_deref());
    let cwd = cwd.filter(|cwd| !cwd.is_empty()).unwrap_or("/");
    if cwd.contains('\0') {
        return Err(ConvertError::Nul {
            what: "working directory",
        });
    }
    if !cwd.starts_with('/') {
        return Err(ConvertError::RelativeCwd { cwd: sanitize(cwd) });
    }
    Ok(cwd.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_command_combines_image_and_options() {
        type Texts = Option<&'static [&'static str]>;
        /// Entrypoint and command of the image, entrypoint and arguments of the options, and the result.
        type Row = (Texts, Texts, Option<&'static str>, Texts, Texts);
        let rows: &[Row] = &[
            (None, Some(&["sh"]), None, None, Some(&["sh"])),
            (Some(&["e"]), None, None, None, Some(&["e"])),
            (
                Some(&["e", "1"]),
                Some(&["c"]),
                None,
                None,
                Some(&["e", "1", "c"]),
            ),
            (
                Some(&["e"]),
                Some(&["c"]),
                None,
                Some(&["a", "b"]),
                Some(&["e", "a", "b"]),
            ),
            (Some(&["e"]), Some(&["c"]), None, Some(&[]), Some(&["e"])),
            (None, Some(&["c"]), None, Some(&["a"]), Some(&["a"])),
            (Some(&["e"]), Some(&["c"]), Some("x"), None, Some(&["x"])),
            (
                Some(&["e"]),
                Some(&["c"]),
                Some("x"),
                Some(&["a"]),
                Some(&["x", "a"]),
            ),
            (
                Some(&["e"]),
                Some(&["c"]),
                Some(""),
                Some(&["a"]),
                Some(&["a"]),
            ),
            (None, None, None, Some(&["a"]), Some(&["a"])),
            // No command.
            (None, None, None, None, None),
            (Some(&[]), Some(&[]), None, None, None),
            (Some(&["e"]), Some(&["c"]), Some(""), None, None),
            (Some(&[""]), Some(&["c"]), None, None, None),
        ];
        for (entrypoint, cmd, given, arguments, expected) in rows {
            let config = RuntimeConfig {
                entrypoint: entrypoint.map(list),
                cmd: cmd.map(list),
                ..RuntimeConfig::default()
            };
            let options = BundleOptions {
                entrypoint: given.map(str::to_owned),
                args: arguments.map(list),
                ..BundleOptions::default()
            };
            let row = format!("{entrypoint:?} {cmd:?} {given:?} {arguments:?}");
            match (args(&config, &options), expected) {
                (Ok(args), Some(expected)) => assert_eq!(args, *expected, "{row}"),
                (Err(ConvertError::NoCommand), None) => {}
                (result, _) => panic!("{row}: {result:?}"),
            }
        }
    }

    #[test]
    fn the_environment_combines_image_and_options() {
        const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        /// The image's variables, those of the options, whether there is a terminal, and the result.
        type Row = (
            &'static [&'static str],
            &'static [&'static str],
            bool,
            &'static [&'static str],
        );
        let rows: &[Row] = &[
            (&[], &[], false, &[PATH, "HOME=/h"]),
            (&[], &[], true, &[PATH, "HOME=/h", "TERM=xterm"]),
            (
                &["PATH=/x", "HOME=", "TERM=vt"],
                &[],
                true,
                &["PATH=/x", "HOME=", "TERM=vt"],
            ),
            (
                &["A=1", "B=2"],
                &["A=3", "C="],
                false,
                &["B=2", "A=3", "C=", PATH, "HOME=/h"],
            ),
            (
                &["A=1", "A=2"],
                &["PATH=/y"],
                false,
                &["A=1", "A=2", "PATH=/y", "HOME=/h"],
            ),
            (
                &["A=b=c "],
                &["HOME=/g"],
                false,
                &["A=b=c ", "HOME=/g", PATH],
            ),
        ];
        for (image, user, tty, expected) in rows {
            let config = RuntimeConfig {
                env: list(image),
                ..RuntimeConfig::default()
            };
            let options = BundleOptions {
                env: user.iter().map(|text| text.parse().unwrap()).collect(),
                tty: *tty,
                ..BundleOptions::default()
            };
            let mut warnings = Vec::new();
            assert_eq!(env(&config, &options, "/h", &mut warnings), *expected);
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }

    #[test]
    fn malformed_variables_are_omitted() {
        let config = RuntimeConfig {
            env: list(&["", "A", "=b", "C=\0", "D=d"]),
            ..RuntimeConfig::default()
        };
        let mut warnings = Vec::new();
        let env = env(&config, &BundleOptions::default(), "/", &mut warnings);
        assert_eq!(env[0], "D=d");
        assert_eq!(env.len(), 3);
        assert_eq!(warnings.len(), 4);
    }

    #[test]
    fn the_working_directory_is_that_of_options_or_image() {
        for (image, user, expected) in [
            (None, None, Some("/")),
            (Some(""), None, Some("/")),
            (Some("/a/../b"), None, Some("/a/../b")),
            (Some("/a"), Some("/b"), Some("/b")),
            (Some("a"), Some("/b"), Some("/b")),
            (Some("a"), None, None),
            (Some("/a"), Some("../b"), None),
            (Some("/a\0"), None, None),
        ] {
            let config = RuntimeConfig {
                working_dir: image.map(str::to_owned),
                ..RuntimeConfig::default()
            };
            let options = BundleOptions {
                cwd: user.map(str::to_owned),
                ..BundleOptions::default()
            };
            let cwd = cwd(&config, &options);
            assert_eq!(cwd.as_deref().ok(), expected, "{image:?} {user:?}: {cwd:?}");
        }
    }

    #[test]
    fn a_command_with_a_nul_character_is_rejected() {
        let config = RuntimeConfig {
            cmd: Some(list(&["sh", "a\0b"])),
            ..RuntimeConfig::default()
        };
        let error = args(&config, &BundleOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "the command contains a NUL character");
    }
}
