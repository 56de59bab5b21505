//! Reads all files of the configuration, and merges them.

use std::io;
use std::path::Path;

use crate::certs_dirs::CertsDirScan;
use crate::configuration::Configuration;
use crate::daemon_file::{self, DaemonFile};
use crate::daemon_json::{self, DaemonJson};
use crate::daemon_settings::DaemonSettings;
use crate::error::{ConfigError, ConfigProblem};
use crate::file;
use crate::merge;
use crate::paths::{ConfigPaths, DaemonJsonFile, WindlassFiles};
use crate::settings::DaemonJsonChoice;
use crate::source::{Finding, FindingKind, SourceFile, SourceKind, SourceState};
use crate::windlass_toml::{self, WindlassToml};

impl Configuration {
    /// Reads all files in `paths`, and the files that those name.
    ///
    /// # Errors
    /// If a `windlass.toml`, a `daemon.json` or the configuration of all registries is invalid. An error in the
    /// configuration of a single registry is in [`Self::unusable`] instead.
    pub fn load(paths: &ConfigPaths) -> Result<Self, ConfigError> {
        Self::read(paths, None)
    }

    /// Reads the same for windlass's daemon, whose own `daemon.json` is `file`. Its settings of registries and pulls
    /// override those in Docker's `daemon.json`.
    ///
    /// # Errors
    /// In addition to those of [`Self::load`]: if `file` has a key that neither windlass nor Docker has.
    pub fn load_for_daemon(
        paths: &ConfigPaths,
        file: &DaemonJsonFile,
    ) -> Result<Self, ConfigError> {
        Self::read(paths, Some(file))
    }

    fn read(
        paths: &ConfigPaths,
        daemon_file: Option<&DaemonJsonFile>,
    ) -> Result<Self, ConfigError> {
        let mut log = ReadLog::default();
        let windlass_toml = log.read_windlass_files(&paths.windlass)?;
        let certs_dirs = windlass_toml.settings.certs_dirs.as_ref();
        let mut scan = match certs_dirs {
            Some(certs_dirs) => CertsDirScan::read(&certs_dirs.value, true)?,
            None => CertsDirScan::read(&paths.certs_dirs, false)?,
        };
        log.sources.append(&mut scan.sources);
        log.findings.append(&mut scan.findings);
        let choice = windlass_toml.settings.daemon_json.as_ref();
        let docker = match choice.map(|setting| &setting.value) {
            Some(DaemonJsonChoice::None) => None,
            Some(DaemonJsonChoice::File(path)) => {
                let read = log.read_docker_file(path)?;
                let missing = || ConfigError::file(path, ConfigProblem::Missing);
                Some(read.ok_or_else(missing)?)
            }
            None => match &paths.daemon_json {
                // One file for both daemons is read once, as the daemon's own.
                Some(path) if daemon_file.is_some_and(|file| file.path() == path) => None,
                Some(path) => log.read_docker_file(path)?,
                None => None,
            },
        };
        let mut daemon_json = docker.unwrap_or_default();
        let (mut daemon, mut daemon_keys) = (DaemonSettings::default(), Vec::new());
        if let Some(file) = daemon_file
            && let Some(read) = log.read_daemon_file(file)?
        {
            daemon_json = read.daemon_json.over(daemon_json);
            (daemon, daemon_keys) = (read.settings, read.keys);
        }
        let merged = merge::merge(windlass_toml, scan, daemon_json, log.sources, log.findings)?;
        Ok(Self {
            daemon,
            daemon_keys,
            ..merged
        })
    }
}

/// The files that were looked for, and what is noteworthy about them.
#[derive(Default)]
struct ReadLog {
    sources: Vec<SourceFile>,
    findings: Vec<Finding>,
}

impl ReadLog {
    fn read_windlass_files(&mut self, files: &WindlassFiles) -> Result<WindlassToml, ConfigError> {
        match files {
            WindlassFiles::Only(path) => self
                .read_windlass_file(path)?
                .ok_or_else(|| ConfigError::file(path, ConfigProblem::Missing)),
            WindlassFiles::Usual(paths) => {
                let mut merged = WindlassToml::default();
                for path in paths {
                    if let Some(later) = self.read_windlass_file(path)? {
                        merged = later.over(merged);
                    }
                }
                Ok(merged)
            }
        }
    }

    fn read_windlass_file(&mut self, path: &Path) -> Result<Option<WindlassToml>, ConfigError> {
        let text = self.read_own_text(path, SourceKind::Windlass)?;
        text.map(|text| windlass_toml::read(path, &text, &mut self.findings))
            .transpose()
    }

    /// Reads Docker's `daemon.json`. `None` if it does not exist, or if the user may not read it: the file is not
    /// windlass's own.
    fn read_docker_file(&mut self, path: &Path) -> Result<Option<DaemonJson>, ConfigError> {
        let text = match file::read_text(path) {
            Err(ConfigProblem::Read(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.add_source(path, SourceKind::DaemonJson, SourceState::Unreadable);
                let kind = FindingKind::Unreadable(error.kind());
                self.findings.push(Finding::file(path, kind));
                return Ok(None);
            }
            text => text.map_err(|problem| ConfigError::file(path, problem))?,
        };
        self.add_source(path, SourceKind::DaemonJson, state_of(text.as_deref()));
        text.map(|text| daemon_json::read_docker_file(path, &text, &mut self.findings))
            .transpose()
    }

    /// Reads the daemon's own `daemon.json`. `None` if it does not exist. It is an error if the user may not read it.
    fn read_daemon_file(
        &mut self,
        file: &DaemonJsonFile,
    ) -> Result<Option<DaemonFile>, ConfigError> {
        let path = file.path();
        let text = self.read_own_text(path, SourceKind::DaemonJson)?;
        match (text, file) {
            (Some(text), _) => daemon_file::read(path, &text, &mut self.findings).map(Some),
            (None, DaemonJsonFile::Usual(_)) => Ok(None),
            (None, DaemonJsonFile::Only(_)) => Err(ConfigError::file(path, ConfigProblem::Missing)),
        }
    }

    fn read_own_text(
        &mut self,
        path: &Path,
        kind: SourceKind,
    ) -> Result<Option<String>, ConfigError> {
        let text = file::read_text(path).map_err(|problem| ConfigError::file(path, problem))?;
        self.add_source(path, kind, state_of(text.as_deref()));
        Ok(text)
    }

    fn add_source(&mut self, path: &Path, kind: SourceKind, state: SourceState) {
        self.sources.push(SourceFile::new(path, kind, state));
    }
}

fn state_of(text: Option<&str>) -> SourceState {
    match text {
        Some(_) => SourceState::Read,
        None => SourceState::Absent,
    }
}
