use super::*;
use crate::limits::OUTBOUND_TARGET;

/// A small deterministic generator (an LCG with a mixed output).
fn seeded(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
    }
}

fn place(text: &str) -> Address {
    text.parse().expect("an address")
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn nobody(_: &PeerId) -> bool {
    false
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_operators_addresses_are_dialled_for_ever_with_a_growing_bounded_pause() {
    let (mut book, mut now, mut random) = (Book::new(0), Instant::now(), seeded(1));
    let there = place("/ip4/203.0.113.1/tcp/9");
    book.add(there, Origin::Connect, now);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        assert_eq!(book.plan(now, nobody, &mut random), [there]);
        assert_eq!(book.plan(now, nobody, &mut random), []);
        book.failed(there, now, &mut random);
        let mut pause = Duration::ZERO;
        while book.entries[&there].next > now + pause {
            pause += Duration::from_millis(100);
        }
        pauses.push(pause);
        now += pause;
    }
    assert!(
        pauses[0] >= seconds(1) && pauses[0] < seconds(2),
        "{pauses:?}"
    );
    assert!(pauses[3] >= seconds(8), "{pauses:?}");
    assert!(
        pauses[19] <= REDIAL_CONNECT_PAUSE_MAX * 5 / 4 + seconds(1),
        "{pauses:?}"
    );
}

#[test]
fn a_lost_connection_is_dialled_again_after_the_shortest_pause() {
    let (mut book, now, mut random) = (Book::new(4), Instant::now(), seeded(2));
    let there = place("/ip4/203.0.113.1/tcp/9");
    book.add(there, Origin::Known, now);
    assert_eq!(book.plan(now, nobody, &mut random), [there]);
    book.connected(there, now);
    book.proven(there, peer(1));
    assert_eq!(book.plan(now + seconds(60), nobody, &mut random), []);
    book.closed(there, now);
    assert_eq!(book.plan(now, nobody, &mut random), []);
    let expected = there.with_peer(peer(1));
    assert_eq!(
        book.plan(now + REDIAL_PAUSE_MIN, nobody, &mut random),
        [expected]
    );
}

#[test]
fn a_peer_that_came_to_us_is_not_dialled() {
    let (mut book, now, mut random) = (Book::new(4), Instant::now(), seeded(3));
    book.add(
        place("/ip4/203.0.113.1/tcp/9").with_peer(peer(1)),
        Origin::Connect,
        now,
    );
    assert_eq!(book.plan(now, |who| *who == peer(1), &mut random), []);
    assert_eq!(book.plan(now, nobody, &mut random).len(), 1);
}

#[test]
fn an_address_that_never_worked_is_forgotten_and_one_that_did_is_kept() {
    let (mut book, now, mut random) = (Book::new(4), Instant::now(), seeded(4));
    let (never, once) = (
        place("/ip4/203.0.113.1/tcp/9"),
        place("/ip4/198.51.100.1/tcp/9"),
    );
    book.add(never, Origin::Learned, now);
    book.connected(once, now);
    book.proven(once, peer(1));
    book.closed(once, now);
    for _ in 0..FAILURES_MAX {
        book.failed(never, now, &mut random);
        book.failed(once, now, &mut random);
    }
    assert_eq!(book.entries.keys().collect::<Vec<_>>(), [&once]);
}

#[test]
fn the_book_is_bounded_in_all_per_subnet_and_per_group() {
    let (mut book, now) = (Book::new(4), Instant::now());
    for host in 0..200 {
        book.add(
            place(&format!("/ip4/203.0.113.{host}/tcp/9")),
            Origin::Learned,
            now,
        );
    }
    assert_eq!(book.entries.len(), ADDRESSES_PER_SUBNET_MAX);
    for net in 0..200 {
        book.add(
            place(&format!("/ip4/203.0.{net}.1/tcp/9")),
            Origin::Learned,
            now,
        );
    }
    assert_eq!(book.entries.len(), ADDRESSES_PER_GROUP_MAX);
    for number in 0..2 * ADDRESSES_MAX {
        let text = format!("/ip4/{}.{}.1.1/tcp/9", 1 + number / 250 % 120, number % 250);
        book.add(place(&text), Origin::Learned, now);
    }
    assert_eq!(book.entries.len(), ADDRESSES_MAX);
    book.add(place("/ip4/0.0.0.0/tcp/9"), Origin::Connect, now);
    assert_eq!(book.entries.len(), ADDRESSES_MAX);
}

#[test]
fn good_addresses_are_those_that_worked_with_the_latest_first() {
    let (mut book, now) = (Book::new(4), Instant::now());
    let (a, b) = (
        place("/ip4/203.0.113.1/tcp/9"),
        place("/ip4/198.51.100.1/tcp/9"),
    );
    book.add(place("/ip4/192.0.2.1/tcp/9"), Origin::Known, now);
    for (there, who) in [(a, peer(1)), (b, peer(2)), (a, peer(1))] {
        book.connected(there, now);
        book.proven(there, who);
    }
    assert_eq!(
        book.good_addresses(),
        [a.with_peer(peer(1)), b.with_peer(peer(2))]
    );
    book.shun(a, now);
    assert_eq!(book.good_addresses(), [b.with_peer(peer(2))]);
}

/// 1,000 addresses of an attacker in 8 groups, all of which answer, against 20 honest hosts in 20
/// groups; ten starts, each with only what the last one found good, and the same gossip.
fn honest_outbound_after_ten_starts(seed: u64) -> usize {
    let mut random = seeded(seed);
    let mut now = Instant::now();
    let attacker = |number: usize| {
        place(&format!(
            "/ip4/66.{}.{}.{}/tcp/9",
            number % 8,
            number / 8 % 250,
            number % 250
        ))
    };
    let honest = |number: usize| place(&format!("/ip4/{}.1.1.1/tcp/9", 100 + number));
    let mut good = vec![attacker(0), honest(0)];
    let mut held = 0;
    for _ in 0..10 {
        let mut book = Book::new(OUTBOUND_TARGET);
        good.iter()
            .for_each(|address| book.add(*address, Origin::Known, now));
        (0..1_000).for_each(|number| book.add(attacker(number), Origin::Learned, now));
        (0..20).for_each(|number| book.add(honest(number), Origin::Learned, now));
        let mut connections = Vec::new();
        for _ in 0..10 {
            now += seconds(1);
            for address in book.plan(now, nobody, &mut random) {
                book.connected(address, now);
                book.proven(address, peer(u8::try_from(connections.len()).expect("few")));
                connections.push(address);
            }
        }
        assert_eq!(connections.len(), OUTBOUND_TARGET);
        held = connections
            .iter()
            .filter(|address| address.group() >= honest(0).group())
            .count();
        good = book.good_addresses();
    }
    held
}

#[test]
fn an_attacker_with_a_thousand_addresses_in_eight_groups_cannot_take_every_connection() {
    for seed in 0..100 {
        let held = honest_outbound_after_ten_starts(seed);
        assert!(held >= 3, "seed {seed}: {held} honest connections");
    }
}
