//! All conversations of one account on one device: envelopes in, messages out.
//!
//! # Invariants
//! * State changes only through changes that are also returned: `load` of all change sets in order
//!   gives the same state.
//! * Nothing leaves before its change set is stored: [`Messenger::finish`] returns the bytes
//!   together with the change set that remembers them.
//! * What others send never makes a call fail; it leads to an [`Event::Refused`] at most.
//!
//! # Spec
//! docs/spec/09-messages.md §9, §11, §12
//!
//! # Not here
//! Time, randomness and disk: arguments and results. Stamps and payments, the node: the session.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chain::{BlockId, ChainId, Height, PublicKey, Timestamp};
use rand_core::CryptoRng;

use crate::change_set::{Change, ChangeSet};
use crate::compose::RateEpochs;
use crate::conversation::Conversation;
use crate::delegation::Delegation;
use crate::error::{DelegationError, LoadError};
use crate::event::Event;
use crate::ids::{ConversationId, MessageRef, WriterChainId};
use crate::inbox::InboxMessage;
use crate::keys::{ConversationRoot, InboxSecret};
use crate::log::CanonicalBlocks;
use crate::lookahead::{Lookahead, RING_BLOCKS};
use crate::outbox::Outbox;
use crate::scalar;
use crate::secret::Secret32;
use crate::self_conversation::WaitingRecords;
use crate::writing::Device;

mod apply;
mod conflict;
mod mailbox;
mod membership;
mod receive;
mod records;
mod send;
mod standing;
mod upkeep;
mod views;

pub use receive::Position;
pub use send::Outgoing;

/// Conversations of one profile.
pub const CONVERSATIONS_MAX: usize = 4096;
/// Inbox messages that are kept until the owner decides about them.
pub const INBOX_MESSAGES_MAX: usize = 1024;
/// Inbox generations that are read: the published one and the one before.
pub const INBOX_GENERATIONS_MAX: usize = 2;

/// Whose profile a new one is.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// The account's key.
    pub account: PublicKey,
    /// Root of its self-conversation.
    pub self_root: ConversationRoot,
    /// The device, in its owner's words; at most 255 bytes, shown to other members.
    pub device: String,
    /// Whether the account may have written from elsewhere before.
    pub beginning: Beginning,
}

/// How a profile begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With new words: nothing was ever written under them.
    NewAccount,
    /// With known words, after a loss or on a further device.
    Restored,
}

/// All conversations of one account on one device.
#[derive(Clone)]
pub struct Messenger {
    chain: ChainId,
    rates: RateEpochs,
    account: PublicKey,
    device: Device,
    self_conversation: ConversationId,
    conversations: BTreeMap<ConversationId, Conversation>,
    inbox_secrets: BTreeMap<u32, InboxSecret>,
    inbox: BTreeMap<MessageRef, InboxItem>,
    inbox_unread: Option<Height>,
    outbox: Outbox,
    waiting: WaitingRecords,
    record_due: Option<Height>,
    record_epoch: Option<u32>,
    /// Writer chains that the account's devices told of.
    told_chains: BTreeMap<ConversationId, BTreeSet<WriterChainId>>,
    canonical: CanonicalBlocks,
    scanned: Option<Height>,
    quiet: Quiet,
    /// Not stored: found again at every start.
    is_at_tip: bool,
    probed_roots: BTreeMap<u32, ConversationRoot>,
    lookahead: Lookahead,
}

/// An inbox message and what became of it.
#[derive(Clone, Debug)]
struct InboxItem {
    message: InboxMessage,
    received: Timestamp,
    is_closed: bool,
}

/// Whether a restored profile may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    No,
    UntilTip,
    UntilEpoch(u32),
}

/// Events and changes of one call.
#[derive(Debug, Default)]
struct Work {
    events: Vec<Event>,
    changes: ChangeSet,
}

impl Work {
    fn finish(self) -> (Vec<Event>, ChangeSet) {
        (self.events, self.changes)
    }
}

impl Messenger {
    /// Begins a profile. The session key of the device is made here and never leaves.
    pub fn create(
        profile: &NewProfile,
        chain: ChainId,
        rates: RateEpochs,
        rng: &mut impl CryptoRng,
    ) -> (Self, ChangeSet) {
        let mut changes = ChangeSet::default();
        changes.push(Change::Account {
            key: profile.account,
            self_root: Secret32::from_bytes(*profile.self_root.expose()),
            session: scalar::random(rng),
            device: profile.device.clone(),
        });
        if profile.beginning == Beginning::Restored {
            changes.push(Change::QuietUntil { rate_epoch: None });
        }
        let messenger = Self::load(chain, rates, [changes.clone()])
            .expect("a profile that was just made is complete");
        (messenger, changes)
    }

    /// Opens a stored profile: all its change sets, in order.
    ///
    /// # Errors
    /// A log that does not begin with an account, or that contradicts itself.
    pub fn load(
        chain: ChainId,
        rates: RateEpochs,
        sets: impl IntoIterator<Item = ChangeSet>,
    ) -> Result<Self, LoadError> {
        let mut messenger: Option<Self> = None;
        for set in sets {
            for change in set.changes() {
                match &mut messenger {
                    Some(messenger) => messenger.apply(change)?,
                    None => messenger = Some(Self::begin(chain, rates, change)?),
                }
            }
        }
        let mut messenger = messenger.ok_or(LoadError::NoAccount)?;
        let ids: Vec<ConversationId> = messenger.conversations.keys().copied().collect();
        for id in ids {
            messenger.refresh(&id, &mut Work::default());
        }
        Ok(messenger)
    }

    fn begin(chain: ChainId, rates: RateEpochs, change: &Change) -> Result<Self, LoadError> {
        let Change::Account {
            key,
            self_root,
            session,
            device,
        } = change
        else {
            return Err(LoadError::NoAccount);
        };
        apply::check_scalar(session)?;
        let root = ConversationRoot::from_bytes(*self_root.expose());
        let keys = crate::access::ConversationKeys::from_root(None, &root);
        let own = Conversation::new(keys, String::new(), Height::default());
        let device = Device {
            session: session.clone(),
            delegation: None,
            label: device.clone(),
        };
        Ok(Self {
            chain,
            rates,
            account: *key,
            device,
            self_conversation: own.id(),
            conversations: BTreeMap::from([(own.id(), own)]),
            inbox_secrets: BTreeMap::new(),
            inbox: BTreeMap::new(),
            inbox_unread: None,
            outbox: Outbox::new(),
            waiting: WaitingRecords::default(),
            record_due: None,
            record_epoch: None,
            told_chains: BTreeMap::new(),
            canonical: CanonicalBlocks::new(),
            scanned: None,
            quiet: Quiet::No,
            is_at_tip: false,
            probed_roots: BTreeMap::new(),
            lookahead: Lookahead::default(),
        })
    }

    /// The account.
    #[must_use]
    pub const fn account(&self) -> &PublicKey {
        &self.account
    }

    /// The public session key of this device: what the account delegates to.
    #[must_use]
    pub fn session_key(&self) -> PublicKey {
        scalar::public_key(&self.device.session)
    }

    /// The account's word for this device, if it was given.
    #[must_use]
    pub const fn delegation(&self) -> Option<&Delegation> {
        self.device.delegation.as_ref()
    }

    /// Name of the self-conversation.
    #[must_use]
    pub const fn self_conversation(&self) -> &ConversationId {
        &self.self_conversation
    }

    /// Takes the account's delegation for this device's session key.
    ///
    /// # Errors
    /// A delegation of another account, or for another session key.
    pub fn set_delegation(
        &mut self,
        delegation: &Delegation,
    ) -> Result<ChangeSet, DelegationError> {
        let is_ours = *delegation.account() == self.account
            && delegation.terms().session == self.session_key();
        if !is_ours {
            return Err(DelegationError::Forged);
        }
        let mut work = Work::default();
        let delegation = delegation.encode(&self.chain);
        self.commit(&mut work, Change::Delegated { delegation });
        self.note_device(delegation, &mut work);
        Ok(work.changes)
    }

    /// Reads an inbox generation from now on; the newest [`INBOX_GENERATIONS_MAX`] are read.
    pub fn add_inbox(&mut self, generation: u32, secret: &InboxSecret) -> ChangeSet {
        let mut work = Work::default();
        let secret = Secret32::from_bytes(*secret.expose());
        self.commit(&mut work, Change::InboxKey { generation, secret });
        work.changes
    }

    /// Envelopes to the inbox may have gone by since this height before its key was here.
    pub fn set_inbox_unread(&mut self, from: Height) -> ChangeSet {
        let mut work = Work::default();
        let from = Some(from);
        self.commit(&mut work, Change::InboxUnread { from });
        work.changes
    }

    /// From where on blocks are still to be read for the inbox; they are put in like those of
    /// [`Messenger::unread_history`].
    #[must_use]
    pub const fn inbox_unread(&self) -> Option<Height> {
        self.inbox_unread
    }

    /// The blocks from [`Messenger::inbox_unread`] up to the tip were put in.
    pub fn set_inbox_read(&mut self) -> ChangeSet {
        let mut work = Work::default();
        if self.inbox_unread.is_some() {
            self.commit(&mut work, Change::InboxUnread { from: None });
        }
        work.changes
    }

    /// The newest inbox generation that is read.
    #[must_use]
    pub fn inbox_generation(&self) -> Option<u32> {
        self.inbox_secrets
            .last_key_value()
            .map(|(generation, _)| *generation)
    }

    /// Whether an envelope under this one-time key would be opened: one probe, for scans of history.
    #[must_use]
    pub fn expects(&self, one_time_key: &PublicKey) -> bool {
        self.lookahead.get(one_time_key).is_some()
    }

    /// One-time keys that are expected at the moment.
    #[must_use]
    pub fn expected_keys(&self) -> usize {
        self.lookahead.len()
    }

    /// Highest block that was read.
    #[must_use]
    pub const fn scanned(&self) -> Option<Height> {
        self.scanned
    }

    /// Where reading goes on after a start: the last [`RING_BLOCKS`] blocks are read again, because
    /// the ring of keys that came too early is not stored.
    #[must_use]
    pub fn resume_height(&self) -> Height {
        let scanned = self.scanned.map_or(0, Height::get);
        Height::new(scanned.saturating_sub(RING_BLOCKS as u64))
    }

    /// Blocks that this profile takes for canonical because something of its own stands in them,
    /// newest first. After a start the session compares them with the node's chain and calls
    /// [`Messenger::revert_block`] for those that do not stand there.
    pub fn canonical_blocks(&self) -> impl Iterator<Item = (Height, BlockId)> {
        self.canonical
            .iter()
            .rev()
            .map(|(height, block)| (*height, *block))
    }

    /// Applies a change and keeps it for the caller.
    fn commit(&mut self, work: &mut Work, change: Change) {
        self.apply(&change)
            .expect("a change that was just made fits the state it was made from");
        work.changes.push(change);
    }

    /// Expects what has become expected; asks for envelopes that went by too early.
    fn refresh(&mut self, conversation: &ConversationId, work: &mut Work) {
        let Some(found) = self.conversations.get_mut(conversation) else {
            return;
        };
        for (key, watch) in found.newly_expected() {
            let went_by = self.lookahead.watch(key, watch);
            work.events.extend(went_by.map(Event::Needed));
        }
    }
}

/// Names, contacts and texts are nobody's business, least of all a log file's.
impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger")
            .field("conversations", &self.conversations.len())
            .field("outbox", &self.outbox.len())
            .field("scanned", &self.scanned)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
