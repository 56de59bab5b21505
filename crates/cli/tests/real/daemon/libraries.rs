//! Client libraries: Rust's `bollard`, Python's `docker`, and Ansible's modules.

use std::fs;

use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
};
use futures_util::TryStreamExt as _;
use tokio::runtime::Builder;
use windlass_testing::real::{command, run};

use super::host::Host;
use crate::Case;
use crate::command::Ran;
use crate::fixture::Fixture;
use crate::requirements::{LIBRARIES, REGISTRY, beside_ansible};
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::libraries::bollard",
        needs: REGISTRY,
        test: bollard,
    },
    Case {
        name: "daemon::libraries::docker_for_python",
        needs: LIBRARIES,
        test: python,
    },
    Case {
        name: "daemon::libraries::community_docker_of_ansible",
        needs: LIBRARIES,
        test: ansible,
    },
];

fn bollard(shared: &SharedState) {
    let host = Host::start(shared, "bollard");
    let heavy = shared.reference(Fixture::Heavy, "gzip");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = host.socket().to_str().unwrap();
        let docker = Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION).unwrap();
        let docker = docker.negotiate_version().await.unwrap();
        let pull = |name: &str| {
            let options = CreateImageOptionsBuilder::new().from_image(name).build();
            docker
                .create_image(Some(options), None, None)
                .try_collect::<Vec<_>>()
        };
        let progress = pull(&heavy).await.unwrap();
        let last = progress
            .last()
            .and_then(|progress| progress.status.as_deref());
        let newer = format!("Status: Downloaded newer image for {heavy}");
        assert_eq!(last, Some(&*newer), "{progress:#?}");

        let options = ListImagesOptionsBuilder::new().all(true).build();
        let images = docker.list_images(Some(options)).await.unwrap();
        assert_eq!(images[0].repo_tags, [&*heavy]);
        let image = docker.inspect_image(&heavy).await.unwrap();
        assert_eq!(image.id.as_ref(), Some(&images[0].id));
        assert_eq!(docker.image_history(&heavy).await.unwrap().len(), 2);
        let options = TagImageOptionsBuilder::new().repo("spare").tag("1").build();
        docker.tag_image(&heavy, Some(options)).await.unwrap();
        let archive = docker.export_image("spare:1").try_collect::<Vec<_>>();
        let archive = archive.await.unwrap().concat();
        assert!(archive.len() > 2 << 20, "{} bytes", archive.len());
        for name in ["spare:1", &heavy] {
            docker
                .remove_image(name, None::<RemoveImageOptions>, None)
                .await
                .unwrap();
        }
        assert!(docker.inspect_image("spare:1").await.is_err());
        let missing = heavy.replace(":gzip", ":nope");
        let error = pull(&missing).await.unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "Docker responded with status code 404: \
                 manifest for {missing} not found: manifest unknown: manifest unknown"
            )
        );
        docker.version().await.unwrap();
        docker.info().await.unwrap();
        docker.df(None).await.unwrap();
    });
}

/// A typical script; it fails where anything is not as expected.
const SCRIPT: &str = r#"
import sys
import docker
url, name = sys.argv[1:]
client = docker.DockerClient(base_url=url)
assert client.ping()
repository, tag = name.rsplit(":", 1)
image = client.images.pull(repository, tag)
assert image.tags == [name], image.tags
assert image.attrs["RepoDigests"][0].startswith(repository + "@sha256:")
assert [len(image.history()), image.labels] == [2, {}]
assert [one.tags for one in client.images.pull(repository, all_tags=True)] == [[name]]
lines = list(client.api.pull(repository, tag, stream=True, decode=True))
assert lines[-1] == {"status": "Status: Image is up to date for " + name}, lines
assert image.tag("spare", "1")
image.reload()
assert [one.id for one in client.images.list("spare")] == [image.id]
assert [one.id for one in client.images.list(filters={"reference": "nope"})] == []
archive = b"".join(image.save(named="spare:1"))
client.images.remove(name)
client.images.remove("spare:1")
try:
    client.images.get("spare:1")
    raise SystemExit("removed, and still there")
except docker.errors.ImageNotFound:
    pass
assert [one.id for one in client.images.load(archive)] == [image.id]
assert client.images.get("spare:1").id == image.id
try:
    client.images.pull(repository, "nope")
    raise SystemExit("pulled what is not there")
except docker.errors.NotFound as error:
    assert "manifest unknown" in str(error), error
assert client.images.get_registry_data(name).id.startswith("sha256:")
try:
    client.containers.run("spare:1")
    raise SystemExit("ran a container")
except docker.errors.APIError as error:
    assert error.status_code == 501, error
assert client.df()["Images"][0]["SharedSize"] == 0
assert client.info()["Images"] == 1
assert client.images.prune(filters={"dangling": False})["ImagesDeleted"]
assert client.images.list(all=True) == []
"#;

fn python(shared: &SharedState) {
    let host = Host::start(shared, "python");
    let heavy = shared.reference(Fixture::Heavy, "gzip");
    let mut python = beside_ansible("python");
    python.args(["-c", SCRIPT, &host.url(), &heavy]);
    run(&mut python).unwrap();
}

fn ansible(shared: &SharedState) {
    let host = Host::start(shared, "ansible");
    let small = shared.reference(Fixture::Small, "gzip");
    let play = include_str!("ansible.yml");
    let file = host.directory.join("play.yml");
    fs::write(&file, play).unwrap();
    let mut ansible = command("ansible-playbook");
    host.show(&mut ansible);
    let python = beside_ansible("python");
    let python = python.get_program().to_str().unwrap();
    let archive = host.directory.join("archive.tar");
    let archive = archive.to_str().unwrap();
    ansible
        .env("ANSIBLE_HOME", host.directory.join("ansible"))
        .env("LC_ALL", "C.UTF-8")
        .args(["--inventory", "localhost,"])
        .args([
            "--extra-vars",
            &format!("ansible_python_interpreter={python}"),
        ])
        .args(["--extra-vars", &format!("host={}", host.url())])
        .args(["--extra-vars", &format!("image={small} archive={archive}")]);
    let ran = Ran::from(ansible.arg(&file).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("failed=0"), "{}", ran.stdout);
    assert_eq!(host.windlass.images(), [""; 0]);
}
