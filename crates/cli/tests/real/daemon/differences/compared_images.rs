//! The images of the comparison, in one registry.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use windlass_testing::real::{DockerRegistry, RegistryAuth, TokenServer, command, run};
use windlass_testing::{
    ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, PackedIndex, Registry,
};

/// The images, and the registries that have them.
pub(super) struct ComparedImages {
    pub(super) registry: DockerRegistry,
    /// An image with every member of a config, in Docker's media types.
    pub(super) full: PackedImage,
    /// An image on the same base with an almost empty config.
    pub(super) bare: PackedImage,
    /// An index for two processors.
    pub(super) both: PackedIndex,
    /// Registries that require a password and a token.
    pub(super) setup: [DockerRegistry; 2],
    _tokens: TokenServer,
    /// `full` as `docker save` writes it, named `loaded:1`.
    pub(super) archive: PathBuf,
}

impl ComparedImages {
    pub(super) fn new(directory: &Path) -> Self {
        let scripted = Registry::start();
        let base = || LayerBuilder::new().dir("etc").file("etc/motd", "welcome\n");
        let full = scripted.push(full(base()), "fleet/full:1");
        let bare = scripted.push(bare(base()), "fleet/bare:1");
        let both = scripted.push_index(both(), "fleet/both:1");
        scripted.push(&full, "fleet/many:one");
        scripted.push(&bare, "fleet/many:two");
        let registry =
            DockerRegistry::start(&directory.join("registry"), RegistryAuth::Open).unwrap();
        for name in ["full:1", "bare:1", "both:1", "many:one", "many:two"] {
            let from = format!("docker://{}", scripted.name(&format!("fleet/{name}")));
            let to = format!("docker://{}/fleet/{name}", registry.address());
            copy(&["--all", "--preserve-digests"], &from, &to);
        }
        let tokens = TokenServer::builder().start().unwrap();
        let setup = [
            ("basic", RegistryAuth::Basic),
            ("tokens", RegistryAuth::Tokens(tokens.authority())),
        ];
        let setup = setup
            .map(|(name, access)| DockerRegistry::start(&directory.join(name), access).unwrap());
        let archive = directory.join("loaded.tar");
        let from = format!("docker://{}", scripted.name("fleet/full:1"));
        let to = format!("docker-archive:{}:loaded:1", archive.display());
        copy(&[], &from, &to);
        Self {
            registry,
            full,
            bare,
            both,
            setup,
            _tokens: tokens,
            archive,
        }
    }

    /// Returns the reference of an image in the registry.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}/fleet/{name}", self.registry.address())
    }

    pub(super) fn archive(&self) -> Vec<u8> {
        fs::read(&self.archive).unwrap()
    }
}

fn copy(options: &[&str], from: &str, to: &str) {
    let mut skopeo = command("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--quiet"]);
    skopeo.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    run(skopeo.args(options).args([from, to])).unwrap();
}

fn full(base: LayerBuilder) -> ImageBuilder {
    let image = ImageBuilder::new()
        .docker()
        .layer(base)
        .created_by("ADD base /");
    let image = image.empty_step("ENV A=1");
    let image = image.layer(LayerBuilder::new().file("hello", "ahoy\n"));
    image.created_by("COPY hello /").config(|config| {
        config["created"] = json!("2021-02-03T04:05:06.789012345Z");
        config["author"] = json!("The bosun");
        config["docker_version"] = json!("20.10.24");
        config["history"][0]["comment"] = json!("a base");
        config["history"][2]["author"] = json!("The bosun");
        config["history"][2]["created"] = json!("2021-02-03T04:05:06.789012345Z");
        config["config"] = json!({
            "User": "1000:1000",
            "ExposedPorts": { "80/tcp": {} },
            "Env": ["PATH=/bin", "A=1"],
            "Entrypoint": ["/hello"],
            "Cmd": ["--world"],
            "Volumes": { "/data": {} },
            "WorkingDir": "/srv",
            "Labels": { "b": "2", "a": "1" },
            "StopSignal": "SIGINT",
            "Healthcheck": { "Test": ["CMD", "true"], "Interval": 30_000_000_000_u64 },
            "OnBuild": ["RUN true"],
            "Shell": ["/bin/sh", "-c"],
        });
    })
}

fn bare(base: LayerBuilder) -> ImageBuilder {
    let image = ImageBuilder::new().layer(base).created_by("ADD base /");
    image.config(|config| {
        config["created"] = json!("2020-05-06T07:08:09Z");
        config["config"] = json!({});
    })
}

fn both() -> IndexBuilder {
    let image = |platform, created: &str| {
        let image = ImageBuilder::new().platform(platform);
        let image = image.layer(LayerBuilder::new().file("machine", platform));
        image.config(|config| config["created"] = json!(created))
    };
    let amd64 = image("linux/amd64", "2019-01-01T00:00:00Z");
    let arm64 = image("linux/arm64/v8", "2018-01-01T00:00:00Z");
    IndexBuilder::new().image(amd64.pack()).image(arm64.pack())
}
