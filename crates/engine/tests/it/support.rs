//! An engine, and a registry for it.

use std::path::PathBuf;

use jiff::ZonedDateTime;
use tempfile::TempDir;
use windlass::registry::Caller;
use windlass::transfer::Throttle;
use windlass::{Engine, EngineConfig, FilterUse, Filters, OpenMode, PullRequest, Pulled};
use windlass_testing::Registry;

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) engine: Engine,
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(configure: impl FnOnce(&mut EngineConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = EngineConfig::new(directory.path().join("store"));
        configure(&mut config);
        let access = OpenMode::Exclusive {
            purpose: "the tests",
        };
        Self {
            registry: Registry::start(),
            engine: Engine::open(config, access, |_| {}).unwrap(),
            directory,
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    pub(crate) fn request(&self, name: &str) -> PullRequest {
        PullRequest {
            reference: self.registry.name(name).parse().unwrap(),
            platform: None,
            artifacts: Vec::new(),
            caller: Caller::anonymous(),
            throttle: Throttle::unlimited(),
        }
    }

    pub(crate) async fn pull(&self, name: &str) -> Pulled {
        self.engine.pull(self.request(name)).await.unwrap()
    }

    /// Returns the tags of the stored images, without the registry, in order.
    pub(crate) fn tags(&self, filters: &[&str]) -> Vec<String> {
        let filters = filters_for(FilterUse::Images, filters);
        let images = self.engine.images_matching(&filters).unwrap();
        let names = images.iter().flat_map(|image| &image.names);
        let mut tags: Vec<_> = names
            .filter(|name| filters.selects_name(name))
            .map(|name| name.familiar().rsplit_once('/').unwrap().1.to_owned())
            .collect();
        tags.sort();
        tags
    }
}

pub(crate) fn filters_for(usage: FilterUse, filters: &[&str]) -> Filters {
    let now: ZonedDateTime = "2026-11-28T12:00:00+00:00[UTC]".parse().unwrap();
    Filters::parse(usage, filters.iter().copied(), &now).unwrap()
}
