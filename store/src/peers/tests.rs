use super::*;
use crate::testing::Twins;

fn peer(seen: u64) -> PeerRow {
    PeerRow {
        seen: Timestamp::new(seen),
        ..PeerRow::default()
    }
}

fn address(number: usize) -> String {
    format!("/ip4/10.0.0.1/tcp/{number}")
}

#[test]
fn addresses_and_bans_survive_a_restart() {
    let twins = Twins::new();
    let answered = PeerRow {
        answered: Some(Timestamp::new(7)),
        failures: 2,
        ..peer(5)
    };
    twins
        .store
        .put_peers(&[(address(1), answered), (address(2), peer(3))])
        .expect("room");
    twins
        .store
        .put_peers(&[(address(2), peer(4))])
        .expect("room");
    let ban = BanRow::new(Timestamp::new(100), "an invalid block");
    twins.store.put_ban("12D3peer", &ban).expect("room");
    let twins = twins.reopen();
    let view = twins.store.view().expect("a tip");
    let peers = BTreeMap::from([(address(1), answered), (address(2), peer(4))]);
    assert_eq!(view.peers(), Ok(peers));
    assert_eq!(
        view.bans(),
        Ok(BTreeMap::from([("12D3peer".to_owned(), ban.clone())]))
    );
    assert_eq!(ban.reason(), "an invalid block");
    drop(view);
    twins.store.remove_peer(&address(1)).expect("writable");
    twins.store.remove_ban("12D3peer").expect("writable");
    let view = twins.store.view().expect("a tip");
    assert_eq!(view.peers().expect("readable").len(), 1);
    assert_eq!(view.bans(), Ok(BTreeMap::new()));
}

#[test]
fn the_addresses_seen_longest_ago_go_first() {
    let twins = Twins::new();
    let rows: Vec<_> = (0..PEERS_MAX)
        .map(|number| (address(number), peer(10)))
        .collect();
    twins.store.put_peers(&rows).expect("room");
    twins
        .store
        .put_peers(&[(address(0), peer(1)), (address(1), peer(2))])
        .expect("room");
    twins
        .store
        .put_peers(&[("new".to_owned(), peer(11))])
        .expect("room");
    let peers = twins
        .store
        .view()
        .expect("a tip")
        .peers()
        .expect("readable");
    assert_eq!(peers.len(), PEERS_MAX);
    assert!(peers.contains_key("new") && !peers.contains_key(&address(0)));
    assert!(peers.contains_key(&address(1)));
}

#[test]
fn bans_end_at_their_time() {
    let twins = Twins::new();
    for until in [10, 11] {
        let ban = BanRow::new(Timestamp::new(until), "");
        twins.store.put_ban(&until.to_string(), &ban).expect("room");
    }
    twins
        .store
        .expire_bans(Timestamp::new(10))
        .expect("writable");
    let bans = twins.store.view().expect("a tip").bans().expect("readable");
    assert_eq!(bans.into_keys().collect::<Vec<_>>(), ["11"]);
}

#[test]
fn long_names_are_refused_and_long_reasons_cut() {
    let twins = Twins::new();
    let (found, max) = (NAME_BYTES_MAX + 1, NAME_BYTES_MAX);
    let refused = twins.store.put_peers(&[("x".repeat(found), peer(1))]);
    assert_eq!(refused, Err(StoreError::RecordTooLarge { found, max }));
    let reason = "ä".repeat(REASON_BYTES_MAX);
    let ban = BanRow::new(Timestamp::new(1), &reason);
    assert_eq!(ban.reason(), "ä".repeat(REASON_BYTES_MAX / 2));
    twins.store.put_ban("somebody", &ban).expect("room");
    assert_eq!(
        twins.store.view().expect("a tip").bans().expect("readable")["somebody"],
        ban
    );
}
