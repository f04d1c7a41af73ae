//! Two people and their messages: what a client's scan of history looks for.
//!
//! # Invariants
//! * Deterministic. The reader has seen nothing of the messages yet, and expects the first of them.
//! * Nothing is kept: change sets are dropped.
//!
//! # Spec
//! docs/spec/09-messages.md
//!
//! # Not here
//! The messages of everybody else: [`crate::history`].

use chain::envelope::Auth;
use chain::{BlockId, ChainId, Envelope, Height, PublicKey, Timestamp};
use messenger::content::Text;
use messenger::keys::ConversationRoot;
use messenger::{
    Access, Beginning, ConversationId, Messenger, NewProfile, Outgoing, Position, RateEpochs,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// One rate epoch that never ends: nothing here is about expiry.
const RATES: RateEpochs = RateEpochs {
    blocks: u32::MAX,
    grace_blocks: 1,
};
const NOW: Timestamp = Timestamp::new(1_000_000);
/// Conversations that the reader is a member of; messages come in the first.
const CONVERSATIONS: u32 = 20;

/// A reader and what was written to it.
pub struct Correspondence {
    reader: Messenger,
    conversation: ConversationId,
    envelopes: Vec<Envelope>,
}

impl Correspondence {
    /// At least `count` small messages on `chain`.
    ///
    /// # Panics
    /// If the messenger refuses what it must not refuse.
    #[must_use]
    pub fn new(chain: ChainId, count: usize) -> Self {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let mut writer = profile(1, chain, &mut rng);
        let mut reader = profile(2, chain, &mut rng);
        let _ = writer.set_at_tip(Height::new(0));
        let mut conversations = Vec::new();
        for index in 0..CONVERSATIONS {
            let root = ConversationRoot::from_bytes(chain::hash::blake3(&index.to_le_bytes()));
            let made = writer.create_conversation(index, &root, "any", &mut rng);
            let (id, _) = made.expect("room for a conversation");
            let link = writer.invite_by_link(&id, Access::ReadWrite, NOW, &mut rng);
            let (link, ..) = link.expect("the writer holds both keys");
            let _ = reader.join(&link).expect("room for a conversation");
            conversations.push(id);
        }
        let mut envelopes = Vec::new();
        let mut height = Height::new(0);
        while envelopes.len() < count {
            for number in 0..8 {
                let words = format!("message {number} at height {height}");
                let text = Outgoing::Text(Text::from(words.as_str()));
                let sent = writer.send(&conversations[0], &text, Default::default(), NOW, &mut rng);
                let _ = sent.expect("room in the outbox");
            }
            height = height.next().expect("a short chain");
            let sealed = seal_all(&mut writer, &conversations[0]);
            let _ = writer.receive_block(height, block_id(height), &sealed, NOW);
            let _ = writer.set_at_tip(height);
            envelopes.extend(sealed);
        }
        Self {
            reader,
            conversation: conversations[0],
            envelopes,
        }
    }

    /// The envelopes, in the order of the chain.
    #[must_use]
    pub fn envelopes(&self) -> &[Envelope] {
        &self.envelopes
    }

    /// The reader, before it has read anything.
    #[must_use]
    pub fn reader(&self) -> Messenger {
        self.reader.clone()
    }

    /// Has `reader` open all messages, one block of eight or so after the other.
    ///
    /// # Panics
    /// If one is not opened.
    pub fn open_all(&self, reader: &mut Messenger) {
        for (number, envelopes) in (1u64..).zip(self.envelopes.chunks(8)) {
            let height = Height::new(number);
            for (index, envelope) in (0u16..).zip(envelopes) {
                let position = Position::InBlock {
                    height,
                    block: block_id(height),
                    index,
                };
                let _ = reader.receive(envelope, position, NOW);
            }
        }
        let opened = reader.log(&self.conversation, None, usize::MAX).len();
        assert_eq!(opened, self.envelopes.len());
    }
}

fn profile(number: u8, chain: ChainId, rng: &mut ChaCha20Rng) -> Messenger {
    let account = secp256k1::Keypair::from_secret_bytes([number; 32]);
    let profile = NewProfile {
        account: PublicKey::from(&account.expect("a valid secret")),
        self_root: ConversationRoot::from_bytes([number; 32]),
        device: "any".to_owned(),
        beginning: Beginning::NewAccount,
    };
    Messenger::create(&profile, chain, RATES, rng).0
}

/// Seals what waits in `conversation`; a chain's start first, then what waits for it.
fn seal_all(writer: &mut Messenger, conversation: &ConversationId) -> Vec<Envelope> {
    let mut sealed = Vec::new();
    for item in writer.outbox() {
        if item.conversation != Some(*conversation) {
            continue;
        }
        let Ok(unauthorised) = writer.seal(&item.reference) else {
            continue;
        };
        let finished = writer.finish(unauthorised, Auth::None, &[0; 32]);
        let (bytes, _) = finished.expect("it waits");
        sealed.push(bytes.parse().expect("an envelope"));
    }
    sealed
}

fn block_id(height: Height) -> BlockId {
    BlockId::from_bytes(chain::hash::blake3(&height.get().to_le_bytes()))
}
