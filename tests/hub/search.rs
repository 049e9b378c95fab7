//! The search for models: what it finds, its way out, and the offline switch.

use std::time::{Duration, Instant};

use pentimento::Error;
use pentimento::hub::Hub;
use pentimento::progress::{Nobody, Until};

use super::World;
use super::server::How;

#[test]
fn a_search_finds_by_name_is_given_up_and_says_at_once_that_it_is_offline() {
    let world = World::with(How::Large);
    for name in [
        "timm/glyph_vit.a",
        "timm/resnet50.a1_in1k",
        "other/glyph_vit.x",
    ] {
        world.server.put(name, "config.json", b"{}", How::Small);
    }
    let hub = |offline: &str| {
        let variable = |name: &str| match name {
            "HF_ENDPOINT" => Some(world.server.endpoint.clone()),
            "HF_HUB_OFFLINE" => Some(offline.to_owned()),
            _ => None,
        };
        Hub::from_environment(variable).unwrap()
    };
    let online = hub("");
    let found = |text: &str, most: usize| {
        let found = online.search("timm", text, most, &mut Nobody).unwrap();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        found("glyph", 10),
        ["timm/glyph_vit.a", "timm/glyph_vit.latin"]
    );
    assert_eq!(found("glyph", 1).len(), 1);
    assert_eq!(found("swin", 10), [""; 0]);
    let asked = world.server.requests();
    assert!(
        asked[0].contains("search=glyph&author=timm&sort=downloads&limit=10"),
        "{asked:?}"
    );

    let begun = Instant::now();
    let soon = || begun.elapsed() > Duration::from_millis(200);
    let given_up = online.search("timm", "silence", 10, &mut Until(&soon));
    assert!(matches!(given_up, Err(Error::Cancelled)), "{given_up:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));

    let before = world.server.requests().len();
    let begun = Instant::now();
    let refused = hub("1")
        .search("timm", "glyph", 10, &mut Nobody)
        .unwrap_err();
    assert!(
        refused.to_string().contains("HF_HUB_OFFLINE is set"),
        "{refused}"
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(world.server.requests().len(), before);
}
