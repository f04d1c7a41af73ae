//! What we think of our peers: scores for broken rules, bans, and when to forgive.
//!
//! # Invariants
//! * Only [`consensus::Severity`] and [`Offence`] move a score; nothing an honest peer does in a
//!   race moves it by more than a point, points fade, and minor faults of a minute weigh at most
//!   [`MINOR_POINTS_PER_MINUTE_MAX`].
//! * At [`BAN_SCORE`] a peer is banned, once, and the ban names its reason.
//! * The book is bounded: [`PEERS_MAX`] peers, the least recently seen forgotten first.
//!
//! # Spec
//! docs/spec/06-wire.md §8
//!
//! # Not here
//! Cutting the connection (`network`), remembering bans across restarts (`store`).

use std::collections::BTreeMap;

use chain::Timestamp;
use consensus::Severity;

/// A peer with this many points is banned.
pub const BAN_SCORE: u32 = 100;
/// How long a ban lasts: a day, the habit of Bitcoin's network.
pub const BAN_MS: u64 = 24 * 60 * 60 * 1_000;
/// One point is forgiven in this time, so that an honest peer's rare races never add up.
pub const FORGIVE_POINT_MS: u64 = 60 * 1_000;
/// Most points that minor faults bring in one minute: an honest peer's late items come by the
/// hundred after a pause, while a peer that keeps on is banned within eleven minutes.
pub const MINOR_POINTS_PER_MINUTE_MAX: u32 = 10;
/// Peers remembered: some times more than connections can be held.
pub const PEERS_MAX: usize = 1_024;

/// Names a peer: the text of its network id.
pub type PeerName = String;

/// What a peer did wrong on the wire, before any rule of the chain was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Bytes that do not decode, or more of them than allowed.
    Malformed,
    /// An answer that does not answer the question.
    UselessAnswer,
    /// No answer in time.
    Slow,
}

impl Offence {
    const fn severity(self) -> Severity {
        match self {
            // No honest implementation encodes badly.
            Self::Malformed => Severity::Fatal,
            Self::UselessAnswer => Severity::Serious,
            // Congestion is nobody's fault; repeated silence fades against forgiveness.
            Self::Slow => Severity::Minor,
        }
    }
}

/// A peer crossed the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub peer: PeerName,
    /// Until when.
    pub until: Timestamp,
    /// The last straw, for the log and the operator.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    score: u32,
    /// Until when points have been forgiven.
    faded_at_ms: u64,
    /// When the minute of `minor_points` began.
    minute_at_ms: u64,
    minor_points: u32,
    seen_at_ms: u64,
}

impl Standing {
    /// Forgives what is due; the part of a minute that is left counts towards the next point.
    fn fade(&mut self, now: Timestamp) {
        let elapsed_ms = now.get().saturating_sub(self.faded_at_ms);
        let due = elapsed_ms / FORGIVE_POINT_MS;
        let due_points = u32::try_from(due).unwrap_or(u32::MAX);
        self.score = self.score.saturating_sub(due_points);
        if self.score == 0 {
            self.faded_at_ms = now.get();
        } else {
            self.faded_at_ms += due * FORGIVE_POINT_MS;
        }
    }

    /// What a fault weighs after the others of its minute.
    fn points(&mut self, severity: Severity, now: Timestamp) -> u32 {
        if severity != Severity::Minor {
            return severity.score();
        }
        if now.get().abs_diff(self.minute_at_ms) >= FORGIVE_POINT_MS {
            self.minute_at_ms = now.get();
            self.minor_points = 0;
        }
        let room = MINOR_POINTS_PER_MINUTE_MAX.saturating_sub(self.minor_points);
        let points = severity.score().min(room);
        self.minor_points += points;
        points
    }
}

/// Scores of all peers we met lately.
#[derive(Debug, Default)]
pub struct PeerBook {
    standings: BTreeMap<PeerName, Standing>,
}

impl PeerBook {
    /// Remembers that `peer` is here.
    pub fn met(&mut self, peer: &str, now: Timestamp) {
        self.standing(peer, now).seen_at_ms = now.get();
    }

    /// Current score of `peer`.
    #[must_use]
    pub fn score(&self, peer: &str, now: Timestamp) -> u32 {
        self.standings.get(peer).map_or(0, |standing| {
            let mut standing = *standing;
            standing.fade(now);
            standing.score
        })
    }

    /// Scores a broken rule of the chain.
    pub fn broke_rule(
        &mut self,
        peer: &str,
        severity: Severity,
        reason: &str,
        now: Timestamp,
    ) -> Option<Ban> {
        self.add(peer, severity, reason, now)
    }

    /// Scores bad behaviour on the wire.
    pub fn offended(&mut self, peer: &str, offence: Offence, now: Timestamp) -> Option<Ban> {
        self.add(peer, offence.severity(), &format!("{offence:?}"), now)
    }

    fn add(&mut self, peer: &str, severity: Severity, reason: &str, now: Timestamp) -> Option<Ban> {
        if severity.score() == 0 {
            return None;
        }
        let standing = self.standing(peer, now);
        standing.fade(now);
        let before = standing.score;
        standing.score = before.saturating_add(standing.points(severity, now));
        (before < BAN_SCORE && standing.score >= BAN_SCORE).then(|| Ban {
            peer: peer.to_owned(),
            until: Timestamp::new(now.get().saturating_add(BAN_MS)),
            reason: reason.to_owned(),
        })
    }

    fn standing(&mut self, peer: &str, now: Timestamp) -> &mut Standing {
        if !self.standings.contains_key(peer) && self.standings.len() >= PEERS_MAX {
            let oldest = self
                .standings
                .iter()
                .min_by_key(|(_, standing)| standing.seen_at_ms)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.standings.remove(&oldest);
            }
        }
        let fresh = Standing {
            seen_at_ms: now.get(),
            ..Standing::default()
        };
        self.standings.entry(peer.to_owned()).or_insert(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::new(1_000_000);

    #[test]
    fn one_fatal_or_five_serious_faults_ban_once() {
        for (severity, faults) in [(Severity::Fatal, 1), (Severity::Serious, 5)] {
            let mut book = PeerBook::default();
            for _ in 1..faults {
                assert_eq!(book.broke_rule("mallory", severity, "rule", NOW), None);
            }
            let ban = book
                .broke_rule("mallory", severity, "rule", NOW)
                .expect("the line is crossed");
            assert_eq!(
                (ban.peer.as_str(), ban.until.get()),
                ("mallory", NOW.get() + BAN_MS)
            );
            assert_eq!(
                book.broke_rule("mallory", severity, "rule", NOW),
                None,
                "banned once"
            );
        }
    }

    #[test]
    fn a_burst_of_minor_faults_bans_nobody_and_a_stream_of_them_does() {
        let mut book = PeerBook::default();
        let mut minute = |number: u64| {
            let now = Timestamp::new(NOW.get() + number * FORGIVE_POINT_MS);
            let faults = (0..130).map(|_| book.broke_rule("late", Severity::Minor, "rule", now));
            let bans = faults.flatten().count();
            (bans, book.score("late", now))
        };
        assert_eq!(minute(0), (0, MINOR_POINTS_PER_MINUTE_MAX));
        assert_eq!(minute(1), (0, 2 * MINOR_POINTS_PER_MINUTE_MAX - 1));
        let bans: usize = (2..11).map(|number| minute(number).0).sum();
        assert_eq!(bans, 1);
    }

    #[test]
    fn parts_of_a_minute_add_up_to_forgiveness() {
        let mut book = PeerBook::default();
        let step_ms = FORGIVE_POINT_MS * 3 / 2;
        let mut now = NOW;
        for _ in 0..100 {
            book.offended("slow", Offence::Slow, now);
            now = Timestamp::new(now.get() + step_ms);
        }
        assert!(
            book.score("slow", now) <= 1,
            "one point in a minute and a half"
        );
        book.offended("odd", Offence::UselessAnswer, NOW);
        let later = |ms| Timestamp::new(NOW.get() + ms);
        book.offended("odd", Offence::Slow, later(FORGIVE_POINT_MS - 1));
        assert_eq!(book.score("odd", later(FORGIVE_POINT_MS - 1)), 21);
        assert_eq!(book.score("odd", later(FORGIVE_POINT_MS)), 20);
    }

    #[test]
    fn harmless_races_cost_nothing_and_points_fade() {
        let mut book = PeerBook::default();
        assert_eq!(
            book.broke_rule("alice", Severity::Harmless, "race", NOW),
            None
        );
        assert_eq!(book.score("alice", NOW), 0);
        book.offended("alice", Offence::Slow, NOW);
        assert_eq!(book.score("alice", NOW), 1);
        let later = Timestamp::new(NOW.get() + FORGIVE_POINT_MS);
        assert_eq!(book.score("alice", later), 0);
    }

    #[test]
    fn time_may_step_back_without_harm() {
        let mut book = PeerBook::default();
        book.offended("alice", Offence::UselessAnswer, NOW);
        assert_eq!(book.score("alice", Timestamp::new(0)), 20);
    }

    #[test]
    fn the_book_is_bounded() {
        let mut book = PeerBook::default();
        for number in 0..2 * PEERS_MAX as u64 {
            book.met(&format!("peer {number}"), Timestamp::new(number));
        }
        assert_eq!(book.standings.len(), PEERS_MAX);
        assert!(
            book.standings
                .contains_key(&format!("peer {}", 2 * PEERS_MAX - 1))
        );
    }
}
