//! Runs the scripts of this folder: one operation or expectation per line.
//!
//! ```text
//! retarget                          work follows time (first line only)
//! terms of two                      a term has two blocks (first line only)
//! header NAME on PARENT             insert a header; [counting N] uncles; [after MS]
//! body NAME                         its body is here, seen at this line; [with UNCLE..];
//!                                   [voting BOND:BACK:SEATS..]; [before restart]
//! chain NAME COUNT on PARENT        blocks NAME1, NAME2, ..
//! block NAME on PARENT              header and body
//! applied NAME
//! invalid NAME                      mark; `conflicting NAME` is the other mark
//! reconsider NAME
//! heard BOND for NAME seats N       a vote in time; `late BOND for NAME` is none
//! twice BOND at HEIGHT              it voted for two blocks
//! level NAME N                      the first block of a term was applied
//! justified NUMBER NAME news        or: known
//! final NAME                        or: final NAME conflicts
//! aside NAME..                      first blocks of branches that are no candidates; all others are
//! join NAME                         the operator's word
//! corrected NAME VOTE..             what applying it showed of its votes
//! expect best NAME                  or: expect best smaller NAME NAME (by id)
//! expect best-header NAME
//! expect status NAME STATUS
//! expect seats NAME N               also: level, score
//! expect suspicious FROM            or: unsuspicious; about the change to the best
//! expect change from NAME: -NAME.. +NAME..
//! expect wanted LIMIT: NAME..
//! expect refused NAME on PARENT: ERROR
//! ```

use std::collections::BTreeMap;

use chain::units::{BondId, CheckpointNumber};
use chain::{BlockId, Height};
use consensus::fork_choice::{Checkpoint, Fault, Inclusion, ReorgLimit, Seen};
use consensus::header::CheckedHeader;
use consensus::{BlockTree, TreeError};

use crate::forge::{Forge, SPACING_MS};

struct Stage {
    forge: Forge,
    tree: BlockTree,
    headers: BTreeMap<String, CheckedHeader>,
}

impl Stage {
    fn new(forge: Forge) -> Self {
        Self {
            tree: forge.tree(),
            forge,
            headers: BTreeMap::new(),
        }
    }

    fn id(&self, name: &str) -> BlockId {
        match self.headers.get(name) {
            Some(header) => *header.id(),
            None if name == "genesis" => self.forge.genesis(),
            None => panic!("no block is called {name}"),
        }
    }

    fn name(&self, id: &BlockId) -> String {
        let found = self.headers.iter().find(|(_, header)| header.id() == id);
        found.map_or("genesis".to_owned(), |(name, _)| name.clone())
    }

    fn names<'a>(&self, sign: &str, ids: impl IntoIterator<Item = &'a BlockId>) -> Vec<String> {
        ids.into_iter()
            .map(|id| format!("{sign}{}", self.name(id)))
            .collect()
    }

    /// `NAME on PARENT [counting N] [after MS]`
    fn make(&mut self, words: &[&str]) -> CheckedHeader {
        let [name, "on", parent, options @ ..] = words else {
            panic!("NAME on PARENT: {words:?}")
        };
        let option = |key: &str, default| {
            let value = options
                .iter()
                .position(|word| *word == key)
                .map(|at| options[at + 1]);
            value.map_or(default, |value| value.parse::<u64>().expect("a number"))
        };
        let parent = self.id(parent);
        let header = self
            .forge
            .child(&parent, option("counting", 0), option("after", SPACING_MS));
        let before = self.headers.insert((*name).to_owned(), header);
        assert!(before.is_none(), "the name {name} is taken");
        header
    }

    fn is_suspicious(&self, from: &str) -> bool {
        let change = self.tree.tip_change(&self.id(from), ReorgLimit::Lifted);
        self.tree.is_suspicious(&change.expect("a way"))
    }

    /// `NAME [with UNCLE..] [voting VOTE..] [before restart]`
    fn add_body(&mut self, words: &[&str], line: u64) {
        let (words, seen) = match words {
            [rest @ .., "before", "restart"] => (rest, Seen::BeforeRestart),
            _ => (words, Seen::At(line)),
        };
        let [name, options @ ..] = words else {
            panic!("NAME [with UNCLE..] [voting VOTE..]: {words:?}")
        };
        let at = options.iter().position(|word| *word == "voting");
        let (uncles, votes) = options.split_at(at.unwrap_or(options.len()));
        let uncles = uncles.iter().filter(|word| **word != "with");
        let uncles: Vec<_> = uncles.map(|uncle| self.headers[*uncle]).collect();
        let votes: Vec<_> = votes.iter().skip(1).map(|vote| inclusion(vote)).collect();
        self.tree
            .add_body(&self.id(name), &uncles, &votes, seen)
            .expect("the header is known");
    }

    fn expect(&mut self, words: &[&str]) {
        match words {
            ["best", "smaller", one, other] => {
                assert_eq!(*self.tree.best(), self.id(one).min(self.id(other)));
            }
            ["best", name] => assert_eq!(self.name(self.tree.best()), *name),
            ["seats", name, seats] => {
                assert_eq!(self.tree.seats(&self.id(name)), seats.parse().ok());
            }
            ["level", name, level] => {
                assert_eq!(self.tree.level(&self.id(name)), level.parse().ok());
            }
            ["score", name, score] => {
                let found = self.tree.score(&self.id(name)).expect("bodies are known");
                assert_eq!(found.to_string(), *score);
            }
            ["suspicious", from] => assert!(self.is_suspicious(from)),
            ["unsuspicious", from] => assert!(!self.is_suspicious(from)),
            ["best-header", name] => assert_eq!(self.name(self.tree.best_header()), *name),
            ["status", name, status] => {
                let found = self
                    .tree
                    .status(&self.id(name))
                    .expect("the block is known");
                assert_eq!(format!("{found:?}"), *status);
            }
            ["change", "from", from, steps @ ..] => {
                let from = self.id(from.trim_end_matches(':'));
                let change = self.tree.tip_change(&from, ReorgLimit::Law).expect("a way");
                let mut found = self.names("-", &change.disconnect);
                found.extend(self.names("+", &change.connect));
                assert_eq!(found, steps);
            }
            ["wanted", limit, names @ ..] => {
                let limit = limit.trim_end_matches(':').parse().expect("a number");
                let wanted = self.tree.wanted_bodies(limit, |_| false);
                assert_eq!(self.names("", &wanted), names);
            }
            ["refused", name, "on", parent, reason @ ..] => {
                let header = self.make(&[name, "on", parent.trim_end_matches(':')]);
                let refused = self.tree.insert(&header).expect_err("it must be refused");
                assert_eq!(refused.to_string(), reason.join(" "));
            }
            _ => panic!("not an expectation: {words:?}"),
        }
    }

    fn run(&mut self, words: &[&str], line: u64) {
        match words {
            ["header", words @ ..] => {
                let header = self.make(words);
                self.tree.insert(&header).expect("the parent is known");
            }
            ["body", words @ ..] => self.add_body(words, line),
            ["block", words @ ..] => {
                self.run(&[&["header"][..], words].concat(), line);
                self.add_body(&words[..1], line);
            }
            ["applied", name] => {
                self.tree
                    .mark_applied(&self.id(name))
                    .expect("its body is known");
            }
            ["invalid", name] => {
                self.tree
                    .invalidate(&self.id(name), Fault::Invalid)
                    .expect("it is known");
            }
            ["conflicting", name] => {
                let fault = Fault::ConflictsWithFinality;
                self.tree
                    .invalidate(&self.id(name), fault)
                    .expect("it is known");
            }
            ["reconsider", name] => {
                self.tree
                    .reconsider(&self.id(name), Fault::Invalid)
                    .expect("it is known");
            }
            ["heard", bond, "for", name, "seats", seats] => {
                let (bond, seats) = (bond_of(bond), seats.parse().expect("a number"));
                let heard = self.tree.hear_vote(&self.id(name), bond, seats);
                assert_eq!(heard, Ok(true));
            }
            ["late", bond, "for", name] => {
                let heard = self.tree.hear_vote(&self.id(name), bond_of(bond), 1);
                assert_eq!(heard, Ok(false));
            }
            ["twice", bond, "at", height] => {
                let height = Height::new(height.parse().expect("a number"));
                self.tree.note_double_vote(height, bond_of(bond));
            }
            ["level", name, level] => {
                let level = level.parse().expect("a number");
                self.tree
                    .note_level(&self.id(name), level)
                    .expect("it is known");
            }
            ["justified", number, name, news] => {
                let number = CheckpointNumber::new(number.parse().expect("a number"));
                let id = self.id(name);
                let is_news = self.tree.justify(Checkpoint { number, id });
                assert_eq!(is_news, *news == "news");
            }
            ["final", name] => {
                self.tree.finalize(&self.id(name)).expect("no other is");
            }
            ["final", name, "conflicts"] => {
                let refused = self.tree.finalize(&self.id(name));
                assert_eq!(refused, Err(TreeError::ConflictsWithFinality));
            }
            ["aside", names @ ..] => {
                let branches: Vec<_> = names.iter().map(|name| self.id(name)).collect();
                self.tree.set_aside(branches);
            }
            ["join", name] => {
                self.tree.join(&self.id(name)).expect("it is known");
            }
            ["corrected", name, votes @ ..] => {
                let votes: Vec<_> = votes.iter().map(|vote| inclusion(vote)).collect();
                self.tree
                    .correct_inclusions(&self.id(name), &votes)
                    .expect("it is known");
            }
            ["chain", from, count, "on", parent] => {
                let count: usize = count.parse().expect("a number");
                let mut parent = (*parent).to_owned();
                for index in 1..=count {
                    let name = format!("{from}{index}");
                    self.run(&["block", &name, "on", &parent], line);
                    parent = name;
                }
            }
            ["expect", words @ ..] => self.expect(words),
            _ => panic!("not an operation: {words:?}"),
        }
    }
}

fn bond_of(name: &str) -> BondId {
    BondId::new(name.trim_start_matches("bond").parse().expect("bond1"))
}

/// `BOND:BACK:SEATS`
fn inclusion(text: &str) -> Inclusion {
    let parts: Vec<&str> = text.split(':').collect();
    let [bond, back, seats] = parts[..] else {
        panic!("BOND:BACK:SEATS: {text}")
    };
    Inclusion {
        back: back.parse().expect("a number"),
        bond: bond_of(bond),
        seats: seats.parse().expect("a number"),
    }
}

fn play(script: &str) {
    let forge = match script.lines().next() {
        Some("retarget") => Forge::with_retarget(),
        Some("terms of two") => Forge::with_terms(2),
        _ => Forge::new(),
    };
    let mut stage = Stage::new(forge);
    let mut expectations = 0;
    for (line, text) in (1..).zip(script.lines()) {
        let words: Vec<&str> = text
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        if !matches!(words[..], [] | ["retarget"] | ["terms", "of", "two"]) {
            println!("{line}: {text}");
            stage.run(&words, line);
            expectations += usize::from(words[0] == "expect");
        }
    }
    assert!(expectations > 0, "a script expects something");
}

/// Declares one test per script.
macro_rules! scripts {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            play(include_str!(concat!("scripts/", stringify!($name), ".script")));
        }
    )*};
}

scripts! {
    bodies_may_come_in_any_order,
    first_seen_decides_a_tie,
    heavier_chain_is_downloaded,
    invalid_branches_are_left_and_reconsidered,
    the_heavier_branch_wins,
    the_smaller_id_decides_a_tie_after_a_restart,
    uncles_add_their_work,
    work_counts_and_not_length,
    finality_conflicts_are_a_mark_of_their_own,
    votes_below_missing_bodies_count_once_they_come,
    votes_multiply_work_up_to_the_level,
    a_vote_counts_once_however_often_it_is_seen,
    double_voters_count_only_where_they_are_included,
    a_vote_that_comes_late_counts_by_inclusion_alone,
    votes_in_invalid_blocks_do_not_count,
    equal_scores_are_decided_by_seats,
    branches_pass_through_the_justified_block,
    what_is_final_stays_final,
    a_light_branch_is_suspicious,
    a_branch_set_aside_is_no_candidate,
    the_operators_word_changes_what_is_final,
    applying_a_block_shows_what_its_votes_are_worth,
}
