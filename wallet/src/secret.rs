//! Secrets that leave the wallet, one type per purpose.
//!
//! # Invariants
//! * Erased when dropped, never cloned, never printed: `Debug` shows the type's name alone.
//! * A secret for one purpose cannot be handed over for another: the types differ.
//!
//! # Spec
//! docs/spec/08-wallet.md §2
//!
//! # Not here
//! Their derivation: [`crate::keys`]. What is done with them: `messenger`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Declares a secret of 32 bytes.
macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes over derived bytes.
            pub(crate) fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes, for the one consumer that the type names. They must not be copied into
            /// anything that is not erased.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    )*};
}

secret! {
    /// `dk_inbox` of one inbox generation: seed of the X-Wing key that opens invitations.
    InboxSecret;
    /// Root of a conversation that this account created: all its read and write keys.
    ConversationRoot;
    /// Root of the account's self-conversation.
    SelfRoot;
    /// Seed of anonymous burn credits.
    CreditSeed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_erased_in_place_and_by_its_drop() {
        fn erased_when_dropped<T: ZeroizeOnDrop>() {}
        erased_when_dropped::<InboxSecret>();
        erased_when_dropped::<ConversationRoot>();
        erased_when_dropped::<SelfRoot>();
        erased_when_dropped::<CreditSeed>();
        erased_when_dropped::<bip39::Mnemonic>();
        let mut secret = InboxSecret::new([7; 32]);
        secret.zeroize();
        assert_eq!(secret.expose(), &[0; 32]);
    }
}
