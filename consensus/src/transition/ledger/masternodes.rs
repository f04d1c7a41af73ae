//! Masternodes: whose turn it is to be paid, and who is banned for silence.
//!
//! # Invariants
//! * The payment queue costs a block one step: entries whose masternode left are skipped once and
//!   for all.
//! * Diligence is judged by full terms alone.
//!
//! # Spec
//! docs/spec/18-finality.md §7-8
//!
//! # Not here
//! Orders about masternodes: [`super::stake_orders`].

use chain::units::{MasternodeId, Term};
use genesis::{Params, law};

use super::{Ledger, damaged};
use crate::error::ViewError;
use crate::reward;
use crate::state::value::{Masternode, PaymentQueue, Standing};
use crate::state::{StateKey, StateView};

impl<V: StateView> Ledger<'_, V> {
    /// Pays the masternode at the head of the queue, which goes to its end.
    pub(super) fn pay_masternode(&mut self) -> Result<(), ViewError> {
        while let Some((position, id)) = self.take_from_queue()? {
            let payee = self.masternode(id)?;
            // An entry that its masternode does not name is of one that left or was banned.
            let Some(mut payee) = payee.filter(|payee| payee.position == Some(position)) else {
                continue;
            };
            let supply = self.parent_supply();
            self.mint(&payee.payout, reward::payee(supply))?;
            payee.last_paid = Some(self.height);
            self.enqueue(id, &mut payee)?;
            self.overlay.set(StateKey::Masternode(id), &payee);
            return Ok(());
        }
        Ok(())
    }

    /// Takes the entry at the head off the queue, with its position.
    fn take_from_queue(&mut self) -> Result<Option<(u64, MasternodeId)>, ViewError> {
        let mut queue = self.queue()?;
        let position = queue.head;
        if position >= queue.tail {
            return Ok(None);
        }
        let entry = StateKey::QueueEntry(position);
        let id: Option<MasternodeId> = self.overlay.get(&entry)?;
        let id = id.ok_or_else(|| damaged("the payment queue has a gap"))?;
        self.overlay.remove(entry);
        queue.head = position.saturating_add(1);
        self.overlay.set(StateKey::PaymentQueue, &queue);
        Ok(Some((position, id)))
    }

    fn queue(&self) -> Result<PaymentQueue, ViewError> {
        let queue = self.overlay.get(&StateKey::PaymentQueue)?;
        Ok(queue.unwrap_or_default())
    }

    /// At a boundary: those registered in the term before the last enter the queue.
    pub(super) fn admit_newcomers(&mut self) -> Result<(), ViewError> {
        let made = self.counters()?.masternodes;
        let PaymentQueue { entered, next, .. } = self.queue()?;
        for id in (entered..next).map(MasternodeId::new) {
            if let Some(mut newcomer) = self.masternode(id)?.filter(Masternode::is_serving) {
                self.enqueue(id, &mut newcomer)?;
                self.overlay.set(StateKey::Masternode(id), &newcomer);
            }
        }
        let queue = PaymentQueue {
            entered: next,
            next: made,
            ..self.queue()?
        };
        self.overlay.set(StateKey::PaymentQueue, &queue);
        Ok(())
    }

    /// At a boundary: the penalty of an active masternode after the term that ended.
    ///
    /// > "signed < 2/3: +50, else -10; >= 100: banned"
    pub(super) fn judge_diligence(
        &mut self,
        id: MasternodeId,
        masternode: &mut Masternode,
        ended: Term,
    ) {
        if masternode.standing != Standing::Active {
            return;
        }
        let before = *masternode;
        masternode.pose = match silence(masternode, ended, self.params) {
            None => masternode.pose,
            Some(true) => masternode.pose.saturating_add(law::POSE_PENALTY),
            Some(false) => masternode.pose.saturating_sub(law::POSE_RELIEF),
        };
        if masternode.pose >= law::POSE_BAN {
            masternode.standing = Standing::Banned;
            masternode.position = None;
        }
        if *masternode != before {
            self.overlay.set(StateKey::Masternode(id), masternode);
        }
    }
}

/// Whether a masternode that had to sign all checkpoints of a term signed less than two thirds;
/// nothing if it was not a front member for all of it.
pub(super) fn silence(masternode: &Masternode, term: Term, params: &Params) -> Option<bool> {
    let (assigned, done) = masternode.duty.of(term);
    let is_full = assigned > 0 && assigned == params.term_checkpoints();
    is_full.then(|| done.saturating_mul(3) < assigned.saturating_mul(2))
}
