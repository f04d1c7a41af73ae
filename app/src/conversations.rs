//! What a user does with conversations: begin, join, invite, say.
//!
//! # Invariants
//! * Every call leaves its change in the vault before it returns, and before anything is sent.
//! * Keys to write are handed over only when the message that keeps their slot is in a block.
//!
//! # Spec
//! docs/spec/16-session.md §6, docs/spec/09-messages.md §2, §10
//!
//! # Not here
//! The way out: `outgoing`. Lists and logs: [`Session::messenger`].

use chain::record::{AccountRecord, InboxKey};
use chain::transaction::Order;
use chain::{Address, Timestamp, TxId};
use messenger::delegation::{Delegation, DelegationTerms, Scope};
use messenger::error::{JoinError, SendError};
use messenger::inbox::{InboxContent, Sender, SignedBy};
use messenger::plaintext::Attention;
use messenger::self_record::ContactState;
use messenger::view::Delivery;
use messenger::{
    Access, Capability, ConversationId, Event, InviteLink, MessageRef, Messenger, Outgoing,
};
use rand_core::CryptoRng;
use rpc::NodeApi;
use rpc::types::{AddressText, GetAccount};
use wallet::order::{OrderState, SignedOrder};
use wallet::plan::{Admission, RecordRequest};

use crate::error::SessionError;
use crate::orders::Submitted;
use crate::session::Session;

/// How long a device may speak for the account before it is asked to renew that (rate epochs; 30
/// days on main).
const DELEGATION_EPOCHS: u64 = 30 * 24 * 6;
/// Conversations begun with one set of words: where the search for a free root ends.
const ROOTS_MAX: u32 = 4096;

/// Keys that were granted, and the message that keeps their slot if there is one.
#[derive(Debug)]
pub struct Granted {
    /// The keys.
    pub capability: Capability,
    /// Must be in a block before the keys are handed over.
    pub reserved_by: Option<MessageRef>,
}

impl Session {
    /// Begins a conversation; the message that claims its root leaves with the next
    /// [`Session::sync`].
    ///
    /// # Errors
    /// [`SessionError::Join`] if there are too many, or a restored profile is still silent.
    pub fn create_conversation(
        &mut self,
        name: &str,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<ConversationId, SessionError> {
        self.renew_delegation(rng)?;
        for index in 0..ROOTS_MAX {
            let root = self.conversation_root(index)?;
            match self.messenger.create_conversation(index, &root, name, rng) {
                Ok((id, changes)) => {
                    self.note_messages(Vec::new(), changes);
                    let (events, changes) = self.messenger.claim_root(&id, now, rng)?;
                    self.note_messages(events, changes);
                    self.reading.root_found(index);
                    self.save(rng)?;
                    return Ok(id);
                }
                Err(JoinError::RootInUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let max = messenger::messenger::CONVERSATIONS_MAX;
        Err(JoinError::TooMany { max }.into())
    }

    /// Joins by a link. Its history is there after the next [`Session::sync`].
    ///
    /// # Errors
    /// [`SessionError::Join`].
    pub fn join(
        &mut self,
        link: &InviteLink,
        rng: &mut impl CryptoRng,
    ) -> Result<ConversationId, SessionError> {
        self.renew_delegation(rng)?;
        let (id, events, changes) = self.messenger.join(link)?;
        self.note_messages(events, changes);
        self.save(rng)?;
        Ok(id)
    }

    /// Joins by an invitation in the inbox; its sender becomes a contact.
    ///
    /// # Errors
    /// [`SessionError::Join`].
    pub fn accept_invitation(
        &mut self,
        reference: &MessageRef,
        rng: &mut impl CryptoRng,
    ) -> Result<ConversationId, SessionError> {
        self.renew_delegation(rng)?;
        let sender = self
            .messenger
            .inbox()
            .find(|item| item.reference == *reference)
            .map(|item| item.sender);
        let (id, events, changes) = self.messenger.accept_invitation(reference)?;
        self.note_messages(events, changes);
        if let Some(Sender::Account(key)) = sender {
            self.keep_contact(key)?;
        }
        self.save(rng)?;
        Ok(id)
    }

    /// Conversations that others invite this account to, with the invitation's name.
    pub fn invitations(&self) -> impl Iterator<Item = (MessageRef, InviteLink, Sender)> {
        self.messenger.inbox().filter_map(|item| {
            let InboxContent::Invite {
                capability,
                birthday,
                name,
            } = item.content
            else {
                return None;
            };
            let capability = Capability::decode(capability.expose(), &self.chain_id()).ok()?;
            let link = InviteLink {
                capability,
                birthday,
                name,
            };
            Some((item.reference, link, item.sender))
        })
    }

    /// Makes keys for somebody else.
    ///
    /// # Errors
    /// [`SessionError::Send`] if the keys are not here or no slot is free;
    /// [`SessionError::NotClaimed`] before the network has the message that claims the
    /// conversation's root: another device of the account could take the same keys for something
    /// else.
    pub fn grant(
        &mut self,
        conversation: &ConversationId,
        access: Access,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Granted, SessionError> {
        self.check_claim(conversation)?;
        self.renew_delegation(rng)?;
        let (capability, events, changes) =
            self.messenger.grant(conversation, access, "", now, rng)?;
        // The message about the slot is the last one written; a chain's start may come before it.
        let reserved_by = events.iter().rev().find_map(|event| match event {
            Event::Shown { reference, .. } => Some(*reference),
            _ => None,
        });
        if access == Access::Write && reserved_by.is_none() {
            return Err(SessionError::NotClaimed);
        }
        self.note_messages(events, changes);
        self.save(rng)?;
        Ok(Granted {
            capability,
            reserved_by,
        })
    }

    fn check_claim(&self, conversation: &ConversationId) -> Result<(), SessionError> {
        let is_admin = self
            .messenger
            .conversation(conversation)
            .is_some_and(|view| view.is_admin);
        let delivery = || {
            let claim = self.messenger.root_claim(conversation)?;
            self.delivery(Some(conversation), &claim)
        };
        let is_out = matches!(
            delivery(),
            Some((_, Delivery::Delivered | Delivery::InBlock(_)))
        );
        if is_admin && !is_out {
            return Err(SessionError::NotClaimed);
        }
        Ok(())
    }

    /// The link that hands granted keys over.
    ///
    /// # Errors
    /// [`SessionError::Send`] for an unknown conversation.
    pub fn link(
        &self,
        conversation: &ConversationId,
        capability: Capability,
    ) -> Result<InviteLink, SessionError> {
        let found = self
            .messenger
            .conversation(conversation)
            .ok_or(SendError::UnknownConversation)?;
        Ok(InviteLink {
            capability,
            birthday: found.birthday,
            name: found.name,
        })
    }

    /// Sends granted keys to the inbox of an account, which becomes a contact.
    ///
    /// # Errors
    /// [`SessionError::NoRecord`] if the account has published none; [`SessionError::Send`].
    pub async fn hand_over(
        &mut self,
        conversation: &ConversationId,
        capability: &Capability,
        to: &Address,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<MessageRef, SessionError> {
        let record = self.record_of(to, node).await?;
        let signed_by = SignedBy::Account(self.identity.keypair());
        let (reference, changes) = self.messenger.invite_to_inbox(
            conversation,
            capability,
            &record,
            signed_by,
            now,
            rng,
        )?;
        self.note_messages(Vec::new(), changes);
        self.keep_contact(record.key)?;
        self.save(rng)?;
        Ok(reference)
    }

    /// The account record that an address has published.
    ///
    /// # Errors
    /// [`SessionError::NoRecord`].
    pub async fn record_of(
        &self,
        address: &Address,
        node: &dyn NodeApi,
    ) -> Result<AccountRecord, SessionError> {
        let account = address
            .account_on(self.network())
            .map_err(|error| rpc::RpcFailure::unknown("bad_address", error.to_string()))?;
        let known = node
            .chain_get_account(GetAccount {
                address: AddressText::from(*address),
            })
            .await?;
        let no_record = SessionError::NoRecord { address: *address };
        let record: AccountRecord = known
            .record
            .ok_or(no_record)?
            .decode(AccountRecord::BYTES)?;
        // A node that answers with somebody else's record would read the invitation.
        let is_theirs = chain::AccountId::from(&record.key) == account;
        if is_theirs && record.is_signed(&self.chain_id()) {
            Ok(record)
        } else {
            Err(SessionError::BadAnswer {
                what: "an account record that its account did not sign",
            })
        }
    }

    /// Says something. It has its name from now on and is sent at once if the node is there, with a
    /// later [`Session::sync`] otherwise.
    ///
    /// # Errors
    /// [`SessionError::Send`], [`SessionError::CannotPay`]: nothing has changed then.
    pub async fn say(
        &mut self,
        conversation: &ConversationId,
        message: &Outgoing,
        node: &dyn NodeApi,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<MessageRef, SessionError> {
        let class = Messenger::class_of(message, Attention::Notify)?;
        let burn = self.burn_of(class, node).await?;
        let spendable = self.balance().spendable;
        if burn > spendable {
            return Err(SessionError::CannotPay { burn, spendable });
        }
        self.renew_delegation(rng)?;
        let sent = self
            .messenger
            .send(conversation, message, Attention::Notify, now, rng)?;
        let (reference, events, changes) = sent;
        self.note_messages(events, changes);
        self.save(rng)?;
        match self.push_outbox(node, now, rng).await {
            // It is written: told to try again, the user would say it twice.
            Err(SessionError::Node(failure)) => self.note_refusal(reference, &failure),
            pushed => pushed?,
        }
        Ok(reference)
    }

    /// How far a message has come, or its successor if it had to be written again.
    #[must_use]
    pub fn delivery(
        &self,
        conversation: Option<&ConversationId>,
        reference: &MessageRef,
    ) -> Option<(MessageRef, Delivery)> {
        let mut newest = *reference;
        while let Some(successor) = self.resent.get(&newest) {
            newest = *successor;
        }
        let delivery = match conversation {
            Some(id) => self.messenger.message(id, &newest)?.delivery,
            None => self.messenger.sent_delivery(&newest)?,
        };
        Some((newest, delivery))
    }

    /// Publishes the account's record with a fresh inbox key: by a fee if there are coins for it,
    /// else by a stamp. A record that is on its way already is the answer. The session must be at the
    /// node's tip.
    ///
    /// # Errors
    /// [`SessionError::Plan`] if a later record cannot be paid; [`SessionError::Node`].
    pub async fn publish(
        &mut self,
        node: &dyn NodeApi,
        rng: &mut impl CryptoRng,
    ) -> Result<Submitted, SessionError> {
        self.check_at_tip()?;
        if let Some(id) = self.record_on_its_way() {
            return Ok(Submitted::Delivered(id));
        }
        let previous = match self.record_of(&self.address(), node).await {
            Ok(record) => Some(record),
            Err(SessionError::NoRecord { .. }) => None,
            Err(error) => return Err(error),
        };
        let published = previous.as_ref().map(|record| record.inbox_generation);
        // Beside the published generation only this one is read: an attempt that was refused is
        // made again under the same number.
        let inbox_generation = published.unwrap_or_default().saturating_add(1);
        let secret = self.inbox_secret(inbox_generation)?;
        let tip = u32::try_from(self.tip_height().get()).unwrap_or(u32::MAX);
        let price_per_kib = node.chain_get_supply().await?.price_per_kib.0;
        let mut request = RecordRequest {
            account: self.account(),
            inbox_generation,
            inbox_key: InboxKey::from_bytes(secret.encapsulation_key()),
            valid_from: tip,
            valid_to: u32::MAX,
            name_hash: [0; 32],
            previous,
            admission: Admission::Fee {
                price_per_kib,
                tip: chain::Amount::ZERO,
            },
        };
        let plan = match self.ledger.plan_record(&request) {
            Err(_) if request.previous.is_none() => {
                request.admission = Admission::Stamp;
                self.ledger.plan_record(&request)?
            }
            planned => planned?,
        };
        let draft = self.ledger.draft_record(&plan, &self.identity, rng)?;
        let stamp = match draft.stamp_commitment() {
            Some(commitment) => {
                let effort = self.record_effort();
                Some(self.stamp(commitment, effort, node, rng).await?)
            }
            None => None,
        };
        let (transaction, changes) = self
            .ledger
            .build_record(draft, stamp, &self.identity, rng)?;
        self.note_wallet(changes);
        let changes = self.messenger.add_inbox(inbox_generation, &secret);
        self.note_messages(Vec::new(), changes);
        self.submit_order(node, &transaction, rng).await
    }

    fn record_on_its_way(&self) -> Option<TxId> {
        let orders = self.ledger.orders().into_iter();
        orders
            .filter(|(_, _, state)| {
                matches!(state, OrderState::Pending | OrderState::Waiting { .. })
            })
            .find_map(|(_, order, _)| match &order.signed {
                SignedOrder::Transaction(transaction)
                    if matches!(transaction.order, Order::AccountRecord(_)) =>
                {
                    Some(transaction.id())
                }
                _ => None,
            })
    }

    fn keep_contact(&mut self, key: chain::PublicKey) -> Result<(), SessionError> {
        if !self.messenger.records().contacts.contains_key(&key) {
            let known = self.messenger.set_contact(key, ContactState::Known, "");
            let changes = known.map_err(SendError::from)?;
            self.note_messages(Vec::new(), changes);
        }
        Ok(())
    }

    /// Lets this device speak for the account, for thirty days at a time.
    fn renew_delegation(&mut self, rng: &mut impl CryptoRng) -> Result<(), SessionError> {
        let blocks = self
            .params
            .rate_epoch_blocks
            .saturating_mul(DELEGATION_EPOCHS);
        let tip = self.tip_height().get();
        let height = |height: u64| u32::try_from(height).unwrap_or(u32::MAX);
        // A reorganisation may bring a chain's start into a lower block than the next one.
        let margin = self.params.rate_epoch_blocks + self.params.rate_grace_blocks;
        // Half of the time must be left, so that a chain begun now outlives its delegation.
        let is_fresh = self
            .messenger
            .delegation()
            .is_some_and(|held| held.terms().not_after >= height(tip.saturating_add(blocks / 2)));
        if is_fresh {
            return Ok(());
        }
        let mut nonce = [0; 16];
        let mut aux_randomness = [0; 32];
        rng.fill_bytes(&mut nonce);
        rng.fill_bytes(&mut aux_randomness);
        let terms = DelegationTerms {
            session: self.messenger.session_key(),
            not_before: height(tip.saturating_sub(margin)),
            not_after: height(tip.saturating_add(blocks)),
            scope: Scope::ALL,
            conversation: None,
            nonce,
        };
        let chain = self.chain_id();
        let delegation =
            Delegation::signed(terms, &chain, self.identity.keypair(), &aux_randomness);
        let changes = self.messenger.set_delegation(&delegation)?;
        self.note_messages(Vec::new(), changes);
        Ok(())
    }
}
