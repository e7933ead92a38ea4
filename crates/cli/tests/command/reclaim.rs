use crate::fake_daemon::{FakeDaemon, Script};
use crate::home::Home;

#[test]
fn what_came_back_is_told() {
    let home = Home::new();
    let _daemon = FakeDaemon::start(&home.state(), Script::new(&home.state()));
    let text = home.coracle(&["reclaim"]).expect(0).stdout;
    for part in ["2 GiB came back", "512 MiB came back"] {
        assert!(text.contains(part), "{text}");
    }
    let json = home.coracle(&["reclaim", "--json"]).expect(0).json();
    assert_eq!(json["memory"]["before_bytes"], 3_u64 << 30);
    assert_eq!(json["disk"]["after_bytes"], 9_u64 << 29);
}

#[test]
fn without_a_daemon_there_is_nothing_to_reclaim() {
    Home::new().coracle(&["reclaim"]).expect(9);
}
