//! A small world: people with profiles, a mempool and a chain of blocks, all in memory.

use std::collections::BTreeMap;

use chain::envelope::Auth;
use chain::{BlockId, ChainId, Envelope, Height, MessageId, PublicKey, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secp256k1::Keypair;

use crate::change_set::ChangeSet;
use crate::content::{Content, Text};
use crate::delegation::{Delegation, DelegationTerms, Scope};
use crate::error::SendError;
use crate::event::Event;
use crate::ids::{ConversationId, MessageRef};
use crate::keys::{ConversationRoot, InboxSecret};
use crate::lookahead::Wanted;
use crate::messenger::{Beginning, Messenger, NewProfile, Outgoing, Position};
use crate::plaintext::Attention;
use crate::view::{Delivery, MessageView, Step};
use crate::{Access, RateEpochs};

pub(super) const RATES: RateEpochs = RateEpochs {
    blocks: 16,
    grace_blocks: 3,
};

pub(super) fn chain_id() -> ChainId {
    ChainId::from_bytes([0xc1; 32])
}

/// One profile with everything that its session would keep.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) messenger: Messenger,
    pub(super) stored: Vec<Vec<u8>>,
    pub(super) events: Vec<Event>,
    pub(super) account: Keypair,
    pub(super) rng: ChaCha20Rng,
    seed: u8,
}

impl Person {
    pub(super) fn new(seed: u8) -> Self {
        Self::begin(seed, Beginning::NewAccount, [seed; 32])
    }

    /// The same account on a fresh device.
    pub(super) fn restored(seed: u8) -> Self {
        Self::begin(seed, Beginning::Restored, [seed ^ 0x80; 32])
    }

    /// A device of the same account that knows nothing of the others and is not silent.
    pub(super) fn twin(seed: u8) -> Self {
        Self::begin(seed, Beginning::NewAccount, [seed ^ 0x40; 32])
    }

    fn begin(seed: u8, beginning: Beginning, randomness: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(randomness);
        let account = Keypair::from_secret_bytes([seed; 32]).expect("a valid secret");
        let profile = NewProfile {
            account: PublicKey::from(&account),
            self_root: ConversationRoot::from_bytes([seed ^ 0x55; 32]),
            device: format!("device of {seed}"),
            beginning,
        };
        let (messenger, changes) = Messenger::create(&profile, chain_id(), RATES, &mut rng);
        let mut person = Self {
            messenger,
            stored: Vec::new(),
            events: Vec::new(),
            account,
            rng,
            seed,
        };
        person.keep(Vec::new(), &changes);
        person
    }

    pub(super) fn keep(&mut self, events: Vec<Event>, changes: &ChangeSet) {
        self.events.extend(events);
        if !changes.is_empty() {
            self.stored.push(changes.encode().expose().to_vec());
        }
    }

    pub(super) fn root(&self, index: u32) -> ConversationRoot {
        ConversationRoot::from_bytes(*blake3::hash(&[self.seed, index as u8]).as_bytes())
    }

    pub(super) fn creates(&mut self, name: &str) -> ConversationId {
        let root = self.root(0);
        let (id, changes) = self
            .messenger
            .create_conversation(0, &root, name, &mut self.rng)
            .expect("room for a conversation");
        self.keep(Vec::new(), &changes);
        id
    }

    pub(super) fn try_says(
        &mut self,
        conversation: &ConversationId,
        message: &Outgoing,
        now: Timestamp,
    ) -> Result<MessageRef, SendError> {
        let rng = &mut self.rng;
        let (reference, events, changes) =
            self.messenger
                .send(conversation, message, Attention::Notify, now, rng)?;
        self.keep(events, &changes);
        Ok(reference)
    }

    pub(super) fn is_delegated(&mut self, scope: Scope) -> Delegation {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let terms = DelegationTerms {
            session: self.messenger.session_key(),
            not_before: 0,
            not_after: 10_000,
            scope,
            conversation: None,
            nonce,
        };
        let delegation = Delegation::signed(terms, &chain_id(), &self.account, &[0; 32]);
        let changes = self
            .messenger
            .set_delegation(&delegation)
            .expect("our own delegation");
        self.keep(Vec::new(), &changes);
        delegation
    }

    pub(super) fn inbox_secret(&self, generation: u32) -> InboxSecret {
        InboxSecret::from_bytes(*blake3::hash(&[self.seed, generation as u8, 7]).as_bytes())
    }

    pub(super) fn opens_inbox(&mut self, generation: u32) {
        let changes = self
            .messenger
            .add_inbox(generation, &self.inbox_secret(generation));
        self.keep(Vec::new(), &changes);
    }

    /// The words in the log, with how far each has come.
    pub(super) fn texts(&self, conversation: &ConversationId) -> Vec<(String, Delivery)> {
        self.views(conversation)
            .into_iter()
            .filter_map(|view| match view.content {
                Content::Text(text) | Content::Reply { text, .. } => {
                    Some((text.text, view.delivery))
                }
                _ => None,
            })
            .collect()
    }

    pub(super) fn words(&self, conversation: &ConversationId) -> Vec<String> {
        self.texts(conversation)
            .into_iter()
            .map(|(text, _)| text)
            .collect()
    }

    pub(super) fn views(&self, conversation: &ConversationId) -> Vec<MessageView> {
        self.messenger.log(conversation, None, usize::MAX)
    }

    /// What a restart of the session leads to.
    pub(super) fn reloaded(&self) -> Messenger {
        let sets = self
            .stored
            .iter()
            .map(|bytes| ChangeSet::decode(bytes).expect("own bytes"));
        Messenger::load(chain_id(), RATES, sets).expect("own change sets")
    }

    /// Whether the stored change sets give the present state.
    pub(super) fn assert_stored(&self) {
        let reloaded = self.reloaded();
        let own = *self.messenger.self_conversation();
        let ids = self
            .messenger
            .conversations()
            .map(|view| view.id)
            .chain([own]);
        for id in ids {
            assert_eq!(reloaded.log(&id, None, usize::MAX), self.views(&id));
        }
        assert_eq!(reloaded.records(), self.messenger.records());
        assert_eq!(
            reloaded.inbox().collect::<Vec<_>>(),
            self.messenger.inbox().collect::<Vec<_>>()
        );
        let names = |messenger: &Messenger| -> Vec<MessageRef> {
            messenger
                .outbox()
                .into_iter()
                .map(|item| item.reference)
                .collect()
        };
        assert_eq!(names(&reloaded), names(&self.messenger));
    }
}

/// A block as everybody receives it.
#[derive(Clone)]
pub(super) struct MinedBlock {
    pub(super) id: BlockId,
    pub(super) envelopes: Vec<Envelope>,
}

/// Mempool, chain and people.
pub(super) struct World {
    pub(super) people: Vec<Person>,
    pub(super) blocks: Vec<MinedBlock>,
    pub(super) mempool: BTreeMap<MessageId, Envelope>,
    pub(super) now: Timestamp,
    mined: u64,
}

impl World {
    /// People 0, 1, ... with the genesis block read.
    pub(super) fn new(people: u8) -> Self {
        let people = (0..people).map(|person| Person::new(person + 1)).collect();
        let mut world = Self {
            people,
            blocks: Vec::new(),
            mempool: BTreeMap::new(),
            now: Timestamp::new(1_000_000),
            mined: 0,
        };
        world.mine();
        world
    }

    pub(super) fn tip(&self) -> Height {
        Height::new(self.blocks.len() as u64 - 1)
    }

    /// The first person's conversation, joined by everybody else.
    pub(super) fn conversation(&mut self, access: Access) -> ConversationId {
        let id = self.people[0].creates("home");
        for person in 1..self.people.len() {
            self.invite(0, person, &id, access);
        }
        id
    }

    pub(super) fn invite(&mut self, from: usize, to: usize, id: &ConversationId, access: Access) {
        let now = self.now;
        let host = &mut self.people[from];
        let (link, events, changes) = host
            .messenger
            .invite_by_link(id, access, now, &mut host.rng)
            .expect("the host holds both keys");
        host.keep(events, &changes);
        let text = link.to_secret_text().expect("encodes");
        let link = crate::InviteLink::parse(&text, &chain_id()).expect("parses");
        let guest = &mut self.people[to];
        let (joined, events, changes) = guest.messenger.join(&link).expect("joins");
        guest.keep(events, &changes);
        assert_eq!(joined, *id);
        self.read_history(to);
    }

    /// Reads what went by before its keys were there, as often as more is found, over restarts.
    pub(super) fn read_history(&mut self, person: usize) {
        loop {
            let wanted = self.people[person].messenger.unread_history();
            let reloaded = self.people[person].reloaded().unread_history();
            assert_eq!(
                wanted, reloaded,
                "a crash does not forget what is to be read"
            );
            let Some(from) = wanted.iter().map(|(_, from)| *from).min() else {
                return;
            };
            self.rescan(person, from);
            let reader = &mut self.people[person];
            let changes = reader.messenger.set_history_read(&wanted);
            reader.keep(Vec::new(), &changes);
        }
    }

    /// Reads the chain again from a height.
    pub(super) fn rescan(&mut self, person: usize, from: Height) {
        for height in from.get()..self.blocks.len() as u64 {
            self.deliver_block(person, Height::new(height));
        }
        for envelope in self.mempool.values().cloned().collect::<Vec<_>>() {
            self.deliver(person, &envelope, Position::Pending);
        }
    }

    pub(super) fn says(&mut self, person: usize, id: &ConversationId, text: &str) -> MessageRef {
        self.now = Timestamp::new(self.now.get() + 1000);
        let now = self.now;
        let message = Outgoing::Text(Text::from(text));
        self.people[person]
            .try_says(id, &message, now)
            .expect("may write")
    }

    pub(super) fn deliver(&mut self, person: usize, envelope: &Envelope, position: Position) {
        let now = self.now;
        let receiver = &mut self.people[person];
        let (events, changes) = receiver.messenger.receive(envelope, position, now);
        receiver.keep(events, &changes);
        self.fetch_needed(person);
    }

    pub(super) fn deliver_block(&mut self, person: usize, height: Height) {
        let block = self.blocks[height.get() as usize].clone();
        let now = self.now;
        let receiver = &mut self.people[person];
        let (events, changes) =
            receiver
                .messenger
                .receive_block(height, block.id, &block.envelopes, now);
        receiver.keep(events, &changes);
        self.fetch_needed(person);
    }

    /// Brings what a profile asks for again.
    fn fetch_needed(&mut self, person: usize) {
        let is_needed = |event: &Event| matches!(event, Event::Needed(_));
        while let Some(at) = self.people[person].events.iter().position(is_needed) {
            let Event::Needed(wanted) = self.people[person].events.remove(at) else {
                return;
            };
            let found = match wanted {
                Wanted::InBlock(place) => {
                    let block = self.blocks.get(place.height.get() as usize);
                    block.and_then(|block| {
                        let envelope = block.envelopes.get(usize::from(place.index))?.clone();
                        let (height, index) = (place.height, place.index);
                        Some((
                            envelope,
                            Position::InBlock {
                                height,
                                block: block.id,
                                index,
                            },
                        ))
                    })
                }
                Wanted::Pending(wire) => self
                    .mempool
                    .values()
                    .find(|envelope| envelope.wid() == wire)
                    .map(|envelope| (envelope.clone(), Position::Pending)),
            };
            if let Some((envelope, position)) = found {
                self.deliver(person, &envelope, position);
            }
        }
    }

    /// What this person's outbox would send now, sealed and stored.
    pub(super) fn outgoing(&mut self, person: usize) -> Vec<Envelope> {
        let sender = &mut self.people[person];
        let mut envelopes = Vec::new();
        for item in sender.messenger.outbox() {
            let bytes = match item.step {
                Step::Wait(_) => continue,
                Step::Send(bytes) => bytes,
                Step::Seal => {
                    let sealed = sender
                        .messenger
                        .seal(&item.reference)
                        .expect("it may be sealed");
                    let mut aux = [0; 32];
                    sender.rng.fill_bytes(&mut aux);
                    let (bytes, changes) = sender
                        .messenger
                        .finish(sealed, Auth::None, &aux)
                        .expect("it waits");
                    sender.keep(Vec::new(), &changes);
                    bytes
                }
            };
            envelopes.push(bytes.parse().expect("an own envelope"));
        }
        envelopes
    }

    /// Everybody sends what may be sent, and everybody sees it.
    pub(super) fn gossip(&mut self) {
        loop {
            let mut fresh = Vec::new();
            for person in 0..self.people.len() {
                fresh.extend(self.outgoing(person));
            }
            fresh.retain(|envelope| self.admit(envelope));
            if fresh.is_empty() {
                return;
            }
            for envelope in &fresh {
                for person in 0..self.people.len() {
                    self.deliver(person, envelope, Position::Pending);
                }
            }
        }
    }

    /// The node's rules, as far as they matter here: one-time keys are used once.
    pub(super) fn admit(&mut self, envelope: &Envelope) -> bool {
        let is_used = |known: &Envelope| known.one_time_key == envelope.one_time_key;
        let in_chain = self
            .blocks
            .iter()
            .flat_map(|block| &block.envelopes)
            .any(is_used);
        if in_chain || self.mempool.values().any(is_used) || !envelope.is_signed(&chain_id()) {
            return false;
        }
        self.mempool.insert(envelope.mid(), envelope.clone());
        true
    }

    /// A block with the whole mempool, read by everybody; then everybody does what is due.
    pub(super) fn mine(&mut self) {
        let envelopes = std::mem::take(&mut self.mempool).into_values().collect();
        self.mine_with(envelopes);
    }

    /// A block with just these envelopes.
    pub(super) fn mine_with(&mut self, envelopes: Vec<Envelope>) {
        self.push_block(envelopes);
        let height = self.tip();
        for person in 0..self.people.len() {
            self.deliver_block(person, height);
            self.is_at_tip(person);
        }
        self.gossip();
    }

    pub(super) fn push_block(&mut self, envelopes: Vec<Envelope>) {
        self.mined += 1;
        let mut id = [0xb0; 32];
        id[..8].copy_from_slice(&self.mined.to_le_bytes());
        self.blocks.push(MinedBlock {
            id: BlockId::from_bytes(id),
            envelopes,
        });
        self.now = Timestamp::new(self.now.get() + 2000);
    }

    pub(super) fn is_at_tip(&mut self, person: usize) {
        let (tip, now) = (self.tip(), self.now);
        let person = &mut self.people[person];
        let changes = person.messenger.set_at_tip(tip);
        person.keep(Vec::new(), &changes);
        let (events, changes) = person.messenger.tick(now, &mut person.rng);
        person.keep(events, &changes);
    }

    /// Takes the newest block back for everybody; its envelopes are pending again.
    pub(super) fn revert(&mut self) -> MinedBlock {
        let height = self.tip();
        let block = self.blocks.pop().expect("a block to revert");
        for person in &mut self.people {
            let (events, changes) = person.messenger.revert_block(height);
            person.keep(events, &changes);
        }
        block
    }

    /// Mines empty blocks.
    pub(super) fn pass(&mut self, blocks: usize) {
        (0..blocks).for_each(|_| self.mine());
    }
}
