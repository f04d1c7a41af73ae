use super::*;

fn connection(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

fn peer(number: usize) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    PeerId::from_bytes(bytes)
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn gate() -> Gate {
    Gate::new(Limits {
        inbound_max: 20,
        outbound_max: 3,
        ..Limits::default()
    })
}

const LOCAL: &str = "/ip4/127.0.0.1/tcp/1";

#[test]
fn handshakes_are_capped_and_a_failed_one_frees_its_place() {
    let (mut gate, now) = (gate(), Instant::now());
    for number in 0..PENDING_INBOUND_MAX {
        assert_eq!(gate.knock(connection(number), address(LOCAL), now), Ok(()));
    }
    let next = connection(1_000);
    assert_eq!(
        gate.knock(next, address(LOCAL), now),
        Err(Refusal::Handshakes)
    );
    gate.leave(connection(0));
    assert_eq!(gate.knock(next, address(LOCAL), now), Ok(()));
    for number in 0..PENDING_OUTBOUND_MAX {
        assert_eq!(
            gate.reach_out(connection(2_000 + number), None, now),
            Ok(())
        );
    }
    assert_eq!(
        gate.reach_out(connection(3_000), None, now),
        Err(Refusal::Handshakes)
    );
}

#[test]
fn each_direction_has_its_own_places() {
    let (mut gate, now) = (gate(), Instant::now());
    let mut enter = |number, direction| {
        gate.admit(
            connection(number),
            peer(number),
            address(LOCAL),
            direction,
            now,
        )
    };
    for number in 0..20 {
        assert_eq!(enter(number, Direction::Inbound), Ok(()));
    }
    assert_eq!(enter(20, Direction::Inbound), Err(Refusal::Full));
    for number in 30..33 {
        assert_eq!(enter(number, Direction::Outbound), Ok(()));
    }
    assert_eq!(enter(33, Direction::Outbound), Err(Refusal::Full));
    gate.leave(connection(5));
    let again = gate.admit(
        connection(40),
        peer(40),
        address(LOCAL),
        Direction::Inbound,
        Instant::now(),
    );
    assert_eq!(again, Ok(()));
}

#[test]
fn a_peer_has_at_most_two_connections() {
    let (mut gate, now) = (gate(), Instant::now());
    let mut enter =
        |number, direction| gate.admit(connection(number), peer(7), address(LOCAL), direction, now);
    assert_eq!(enter(1, Direction::Inbound), Ok(()));
    assert_eq!(enter(2, Direction::Outbound), Ok(()));
    assert_eq!(enter(3, Direction::Inbound), Err(Refusal::PerPeer));
}

#[test]
fn a_subnet_is_capped_however_its_addresses_are_written_and_the_own_machine_is_not() {
    let (mut gate, now) = (gate(), Instant::now());
    for number in 0..gate.limits.per_subnet_max {
        let plain = format!("/ip4/203.0.113.{number}/tcp/9");
        let mapped = format!("/ip6/::ffff:203.0.113.{number}/tcp/9");
        let text = if number % 2 == 0 { plain } else { mapped };
        assert_eq!(gate.knock(connection(number), address(&text), now), Ok(()));
    }
    let mut knock = |number, text: &str| gate.knock(connection(number), address(text), now);
    assert_eq!(
        knock(50, "/ip4/203.0.113.99/udp/9/quic-v1"),
        Err(Refusal::Subnet)
    );
    assert_eq!(
        knock(51, "/ip6/::ffff:203.0.113.98/tcp/9"),
        Err(Refusal::Subnet)
    );
    assert_eq!(knock(52, "/ip4/203.0.114.99/tcp/9"), Ok(()));
    for number in 100..120 {
        assert_eq!(knock(number, LOCAL), Ok(()));
    }
}

#[test]
fn a_banned_peer_and_a_banned_host_are_refused_both_ways_until_the_ban_ends() {
    let (mut gate, now) = (gate(), Instant::now());
    let minute = Duration::from_secs(60);
    let host = address("/ip6/::ffff:203.0.113.5/tcp/1");
    gate.ban(BanSubject::Peer(peer(1)), minute, now);
    gate.ban(
        BanSubject::Ip("::ffff:203.0.113.5".parse().expect("ip")),
        minute,
        now,
    );

    assert_eq!(gate.knock(connection(1), host, now), Err(Refusal::Banned));
    assert_eq!(
        gate.reach_out(connection(2), Some(peer(1)), now),
        Err(Refusal::Banned)
    );
    let mut enter = |number, who, at, when| {
        gate.admit(
            connection(number),
            peer(who),
            address(at),
            Direction::Inbound,
            when,
        )
    };
    assert_eq!(enter(3, 1, LOCAL, now), Err(Refusal::Banned));
    assert_eq!(
        enter(4, 2, "/ip4/203.0.113.5/tcp/7", now),
        Err(Refusal::Banned)
    );
    assert_eq!(enter(5, 1, LOCAL, now + minute), Ok(()));

    gate.unban(BanSubject::Ip("203.0.113.5".parse().expect("ip")));
    assert_eq!(gate.knock(connection(6), host, now), Ok(()));
}

#[test]
fn bans_are_bounded_and_the_one_that_ends_first_goes_first() {
    let (mut gate, now) = (gate(), Instant::now());
    gate.ban(BanSubject::Peer(peer(0)), Duration::MAX, now);
    for number in 1..=BANS_MAX {
        let lasting = Duration::from_secs(u64::try_from(number).expect("small"));
        gate.ban(BanSubject::Peer(peer(number)), lasting, now);
    }
    assert_eq!(gate.bans.len(), BANS_MAX);
    assert!(gate.is_banned(BanSubject::Peer(peer(0)), now));
    assert!(!gate.is_banned(BanSubject::Peer(peer(1)), now));
    gate.forget_ended_bans(now + Duration::from_secs(1 << 20));
    assert_eq!(gate.bans.len(), 1);
}
