//! The health of hosts as recorded by the client.

use std::time::Duration;

use windlass_registry::{
    Caller, Client, Endpoint, NextStep, Origin, RegistryConfig, RegistryError, Repository, Timeouts,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{app, client, fetch, host, layer, mirrored, noise, read, tag, upstream};

/// A registry, its mirror, and a client for both.
struct MirroredRegistry {
    mirror: Registry,
    client: Client,
    endpoints: Vec<Endpoint>,
    _server: Registry,
}

fn mirrored_registry() -> MirroredRegistry {
    mirrored_with(Timeouts::default())
}

fn mirrored_with(timeouts: Timeouts) -> MirroredRegistry {
    let server = Registry::start();
    server.push(ImageBuilder::new(), "app:1");
    let mirror = Registry::builder().share_content_with(&server).start();
    let config = RegistryConfig {
        timeouts,
        ..mirrored(host(&mirror), &server)
    };
    MirroredRegistry {
        mirror,
        endpoints: upstream(&config),
        client: client(config),
        _server: server,
    }
}

impl MirroredRegistry {
    fn at_the_mirror(&self) -> Repository {
        let mirror = self.endpoints[0].clone();
        self.client.repository(mirror, app(), &Caller::anonymous())
    }

    fn is_demoted(&self) -> bool {
        self.client.is_demoted(&self.endpoints[0])
    }

    fn pause(&self) -> Option<Duration> {
        self.client.pause(self.endpoints[0].origin())
    }
}

/// T29: a mirror that is unavailable or does not respond is demoted until it responds again.
#[tokio::test]
async fn an_unreachable_mirror_is_demoted_until_it_responds() {
    let world = mirrored_registry();
    let repository = world.at_the_mirror();
    let faults: [fn(&Registry); 3] = [
        |mirror| mirror.manifest("1").status(500).then_ok(),
        |mirror| mirror.manifest("1").raw("").times(2).then_ok(),
        Registry::reset_connections,
    ];
    for fault in faults {
        fault(&world.mirror);
        fetch(&repository).await.unwrap_err();
        assert!(world.is_demoted());
        world.mirror.restore();
        fetch(&repository).await.unwrap();
        assert!(!world.is_demoted());
    }
}

/// A rejection is not a fault, and shows that the mirror is healthy.
#[tokio::test]
async fn a_rejection_is_not_a_fault() {
    let world = mirrored_registry();
    let repository = world.at_the_mirror();
    world.mirror.manifest("1").status(500).then_ok();
    fetch(&repository).await.unwrap_err();
    assert!(world.is_demoted());
    for status in [404, 403] {
        world.mirror.manifest("1").status(status).then_ok();
        fetch(&repository).await.unwrap_err();
        assert!(!world.is_demoted(), "{status}");
    }
}

/// T29, T33: stalled and interrupted bodies demote a mirror whose responses still begin well.
#[tokio::test]
async fn broken_bodies_demote_a_mirror() {
    let short = Timeouts {
        stall: Duration::from_millis(200),
        ..Timeouts::default()
    };
    for (world, stalls) in [(mirrored_with(short), true), (mirrored_registry(), false)] {
        let repository = world.at_the_mirror();
        let digest = world.mirror.put_blob("app", noise(1000));
        let route = world.mirror.blob(&digest);
        if stalls {
            route.stall_after(10).then_ok();
        } else {
            route.cut_after(10).then_ok();
        }
        let (_, _, error) = read(&repository, &layer(digest, 1000), 0).await;
        assert!(error.is_some());
        assert!(world.is_demoted(), "{stalls}");
        let head = repository.head(&tag("1")).await;
        head.expect("it responds")
            .expect("the response has the digest");
        assert!(world.is_demoted(), "{stalls}");
    }
}

/// T34: a pause applies to all callers.
#[tokio::test]
async fn a_pause_is_shared() {
    for status in [429, 503] {
        let world = mirrored_registry();
        assert_eq!(world.pause(), None);
        let route = world.mirror.manifest("1").status(status);
        route.retry_after(100).then_ok();
        fetch(&world.at_the_mirror()).await.unwrap_err();
        let pause = world.pause().unwrap().as_secs_f64();
        assert!((90.0..=100.0).contains(&pause), "{pause}");
        assert!(world.is_demoted());
        // Requests are still sent: waiting is left to the caller.
        fetch(&world.at_the_mirror()).await.unwrap();
        assert!(world.pause().is_some());
    }
}

/// T34: a pause of a day is recorded for five minutes only.
#[tokio::test]
async fn a_long_pause_is_capped() {
    let world = mirrored_registry();
    let route = world.mirror.manifest("1").status(429);
    route.retry_after(86_400).then_ok();
    let error = fetch(&world.at_the_mirror()).await.unwrap_err();
    let after = Some(Duration::from_secs(86_400));
    assert_eq!(error.next_step(), NextStep::Retry { after });
    assert!(world.pause().unwrap() <= Duration::from_secs(300));
}

/// T34: a token server that requests a pause gets no further requests.
#[tokio::test]
async fn the_pause_of_a_token_server_is_respected() {
    let tokens = Registry::builder().bearer().start();
    let registry = Registry::builder()
        .bearer_at(&format!("{}/token", tokens.url()))
        .start();
    registry.push(ImageBuilder::new(), "app:1");
    tokens.token().status(429).retry_after(100).then_ok();
    let client = client(RegistryConfig::default());
    let endpoint = Endpoint::parse(registry.url()).unwrap();
    for _ in 0..3 {
        let repository = client.repository(endpoint.clone(), app(), &Caller::anonymous());
        let error = fetch(&repository).await.unwrap_err();
        let RegistryError::TooManyRequests { context, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(context.origin.to_string(), tokens.url());
        let NextStep::Retry { after: Some(after) } = error.next_step() else {
            panic!("{error:?}")
        };
        assert!((90..=100).contains(&after.as_secs()), "{after:?}");
    }
    assert_eq!(tokens.log().len(), 1);
    assert!(
        client
            .pause(&Origin::parse(tokens.url()).unwrap())
            .is_some()
    );
    assert_eq!(client.pause(endpoint.origin()), None);
}
