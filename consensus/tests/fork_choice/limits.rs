//! Everything the tree holds, follows or answers has a limit.

use chain::Height;
use chain::units::BondId;
use consensus::fork_choice::{
    BLOCKS_MAX, Fault, Inclusion, Insertion, LOCATOR_IDS_MAX, ReorgLimit, Score, Seen,
    TREE_DEPTH_BLOCKS,
};
use consensus::header::CheckedHeader;
use consensus::{BlockTree, TreeError};
use genesis::law;

use crate::forge::{Forge, SPACING_MS, apply_all, insert_all};

#[test]
fn unknown_blocks_are_named() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let chain = forge.chain(&forge.genesis(), 2);
    let (parent, id) = (*chain[0].id(), *chain[1].id());
    let unknown = TreeError::UnknownBlock { id };
    assert_eq!(
        tree.insert(&chain[1]),
        Err(TreeError::UnknownParent { parent })
    );
    assert_eq!(
        tree.add_body(&id, &[], &[], Seen::At(1)),
        Err(unknown.clone())
    );
    assert_eq!(tree.mark_applied(&id), Err(unknown.clone()));
    assert_eq!(tree.invalidate(&id, Fault::Invalid), Err(unknown.clone()));
    assert_eq!(tree.reconsider(&id, Fault::Invalid), Err(unknown.clone()));
    assert_eq!(tree.tip_change(&id, ReorgLimit::Law), Err(unknown));
    assert_eq!(tree.status(&id), None);
    assert_eq!(
        tree.invalidate(&forge.genesis(), Fault::Invalid),
        Err(TreeError::Root)
    );

    assert_eq!(tree.insert(&chain[0]), Ok(Insertion::Added));
    assert_eq!(tree.insert(&chain[0]), Ok(Insertion::AlreadyKnown));
    assert_eq!(
        tree.mark_applied(&parent),
        Err(TreeError::UnknownBlock { id: parent })
    );
}

#[test]
fn uncles_cannot_weigh_more_than_the_header_counts() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let first = forge.child(&forge.genesis(), 0, SPACING_MS);
    let stale = [0, 1, 2].map(|_| forge.child(&forge.genesis(), 0, SPACING_MS));
    let second = forge.child(first.id(), 1, SPACING_MS);
    let third = forge.child(second.id(), 2, SPACING_MS);
    insert_all(&mut tree, &[first, second, third]).expect("in order");
    for (header, uncles) in [
        (first, &[][..]),
        (second, &stale[..2]),
        (third, &stale[2..]),
    ] {
        tree.add_body(header.id(), uncles, &[], Seen::At(1))
            .expect("it is known");
    }
    let score = |header: &CheckedHeader| tree.score(header.id()).map(Score::get);
    assert_eq!(score(&first), Some(2), "it counts no uncle");
    assert_eq!(score(&second), Some(2 + 2 + 2), "one uncle of work 2");
    assert_eq!(
        score(&third),
        Some(2 + 2 + 2 + 2 + 2),
        "as many as there are"
    );
}

#[test]
fn uncles_count_once_and_only_on_the_branch_they_part_from() {
    let mut forge = Forge::new();
    let genesis = forge.genesis();
    let chain = forge.chain(&genesis, 7);
    let stale = forge.child(&genesis, 0, SPACING_MS);
    let elsewhere = forge.child(stale.id(), 0, SPACING_MS);
    let on_chain =
        |parent: &CheckedHeader, forge: &mut Forge| forge.child(parent.id(), 1, SPACING_MS);
    let bare = 2;
    let gain = |tip: &CheckedHeader, tree: &mut BlockTree, uncle: &CheckedHeader| {
        let parent = tree.score(&tip.header().parent).expect("its body is here");
        tree.insert(tip).expect("the parent is known");
        tree.add_body(tip.id(), &[*uncle], &[], Seen::At(1))
            .expect("it is known");
        let score = tree.score(tip.id()).expect("all bodies are here");
        score.get() - parent.get() - bare
    };
    let mut tree = forge.tree();
    apply_all(&mut tree, &chain);
    insert_all(&mut tree, &[stale, elsewhere]).expect("in order");

    let nephew = on_chain(&chain[0], &mut forge);
    assert_eq!(gain(&nephew, &mut tree, &stale), 2);
    let again = on_chain(&nephew, &mut forge);
    assert_eq!(gain(&again, &mut tree, &stale), 0, "included before");
    let nephew = on_chain(&chain[5], &mut forge);
    assert_eq!(gain(&nephew, &mut tree, &stale), 2, "six blocks deep");
    let late = on_chain(&chain[6], &mut forge);
    assert_eq!(gain(&late, &mut tree, &stale), 0, "seven blocks deep");
    let foreign = on_chain(&chain[2], &mut forge);
    assert_eq!(gain(&foreign, &mut tree, &elsewhere), 0, "another branch");
    let ancestor = on_chain(&chain[2], &mut forge);
    assert_eq!(gain(&ancestor, &mut tree, &chain[1]), 0, "its own ancestor");
}

#[test]
fn a_repeated_uncle_counts_once_in_whatever_order_the_bodies_come() {
    let mut forge = Forge::new();
    let genesis = forge.genesis();
    let stale = forge.child(&genesis, 0, SPACING_MS);
    let first = forge.child(&genesis, 0, SPACING_MS);
    let second = forge.child(first.id(), 1, SPACING_MS);
    let third = forge.child(second.id(), 1, SPACING_MS);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut tree = forge.tree();
        insert_all(&mut tree, &[first, second, third]).expect("in order");
        for at in order {
            let header = [first, second, third][at];
            let uncles = &[stale][..at.min(1)];
            tree.add_body(header.id(), uncles, &[], Seen::At(1))
                .expect("it is known");
        }
        let scores = [first, second, third].map(|header| tree.score(header.id()).map(Score::get));
        assert_eq!(scores, [Some(2), Some(6), Some(8)], "{order:?}");
    }
}

#[test]
fn uncles_from_below_the_root_keep_their_weight() {
    let mut forge = Forge::with_retarget();
    // Five minutes for each block: the target doubles to its highest, the work halves.
    let mut chain = forge.chain(&forge.genesis(), 2);
    for _ in 0..4 {
        let parent = *chain.last().expect("not empty").id();
        chain.push(forge.child(&parent, 0, 300_000));
    }
    let (below, root) = (chain[4], chain[5]);
    let uncle = forge.child(chain[0].id(), 0, SPACING_MS);
    assert!(uncle.work() > root.work());
    let mut tree =
        BlockTree::new(*root.header(), Some(*below.header()), 12).expect("two blocks of a chain");
    let nephew = forge.child(root.id(), 1, SPACING_MS);
    tree.insert(&nephew).expect("the root is its parent");
    tree.add_body(nephew.id(), &[uncle], &[], Seen::At(1))
        .expect("it is known");
    let expected = nephew.work().get() + uncle.work().get();
    assert_eq!(tree.score(nephew.id()).map(Score::get), Some(expected));
}

#[test]
fn a_header_that_found_no_room_on_the_disk_can_be_offered_again() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let chain = forge.chain(&forge.genesis(), 2);
    insert_all(&mut tree, &chain).expect("in order");
    tree.forget_header(chain[0].id());
    assert_eq!(tree.len(), 3, "something was built on it");
    tree.forget_header(chain[1].id());
    assert_eq!(tree.status(chain[1].id()), None);
    assert_eq!(tree.best_header(), chain[0].id());
    assert_eq!(tree.insert(&chain[1]), Ok(Insertion::Added));
}

#[test]
fn a_reorg_deeper_than_the_law_needs_consent() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let depth = usize::try_from(law::REORG_BLOCKS_MAX).expect("a small number");
    let old = forge.chain(&forge.genesis(), depth + 1);
    apply_all(&mut tree, &old);
    let (deep_tip, tip) = (*old[depth].id(), *old[depth - 1].id());
    let new = forge.chain(&forge.genesis(), depth + 2);
    tree.insert_branch(&new).expect("heavier as a whole");
    apply_all(&mut tree, &new);
    assert_eq!(tree.best(), new[depth + 1].id());

    let change = tree
        .tip_change(&tip, ReorgLimit::Law)
        .expect("just within the law");
    assert_eq!(change.disconnect.len(), depth);
    let depth_blocks = law::REORG_BLOCKS_MAX + 1;
    let refused = tree.tip_change(&deep_tip, ReorgLimit::Law);
    assert_eq!(refused, Err(TreeError::ReorgTooDeep { depth_blocks }));
    let change = tree
        .tip_change(&deep_tip, ReorgLimit::Lifted)
        .expect("the operator agreed");
    assert_eq!(
        (change.disconnect.len(), change.connect.len()),
        (depth + 1, depth + 2)
    );
    assert_eq!(change.disconnect.first(), Some(&deep_tip));
    assert_eq!(change.connect.first(), Some(new[0].id()));
}

#[test]
fn a_flood_of_headers_is_bounded_and_leaves_the_best_chain_alone() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let chain = forge.chain(&forge.genesis(), 8);
    apply_all(&mut tree, &chain);
    let genesis = forge.genesis();
    let mut refused = 0;
    for _ in 0..BLOCKS_MAX + 500 {
        let spam = forge.child(&genesis, 0, SPACING_MS);
        match tree.insert(&spam) {
            Ok(Insertion::Added) => {}
            Err(TreeError::Full) => refused += 1,
            other => panic!("{other:?}"),
        }
        assert!(tree.len() <= BLOCKS_MAX);
    }
    assert_eq!(tree.len(), BLOCKS_MAX);
    assert_eq!(refused, 500 + 9);
    assert_eq!(tree.best(), chain[7].id());
    assert!(tree.wanted_bodies(10, |_| false).is_empty());

    // A heavier newcomer displaces a lighter one...
    let uncle_bearer = forge.child(&genesis, 1, SPACING_MS);
    assert_eq!(tree.insert(&uncle_bearer), Ok(Insertion::Added));
    // ...a branch with more work than the best chain grows as before...
    let rival = forge.chain(&genesis, 9);
    let fits = insert_all(&mut tree, &rival[..1]);
    assert_eq!(
        fits,
        Err(TreeError::Full),
        "its first header is as light as the spam"
    );
    let rival = forge.chain(chain[3].id(), 6);
    assert_eq!(insert_all(&mut tree, &rival), Ok(()));
    let wanted = tree.wanted_bodies(10, |_| false);
    assert_eq!(
        wanted,
        rival.iter().map(|header| *header.id()).collect::<Vec<_>>()
    );
    // ...and so does the best chain.
    apply_all(&mut tree, &forge.chain(chain[7].id(), 20));
    assert_eq!(tree.len(), BLOCKS_MAX);
    assert_eq!(
        tree.headers_after(&[genesis], 100)
            .expect("all of it")
            .len(),
        28
    );
}

#[test]
fn a_heavy_branch_without_bodies_does_not_starve_the_best_chain() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let first = forge.chain(&forge.genesis(), 1);
    apply_all(&mut tree, &first);
    let mut parent = forge.genesis();
    loop {
        let header = forge.child(&parent, 0, SPACING_MS);
        parent = *header.id();
        match tree.insert(&header) {
            Ok(_) => {}
            Err(error) => break assert_eq!(error, TreeError::Full),
        }
    }
    assert_eq!(tree.len(), BLOCKS_MAX);
    let withheld = *tree.best_header();

    // The best chain grows: a thousand headers ahead, with every body a little further.
    let mut tip = *first[0].id();
    let ahead = forge.chain(&tip, 1_030);
    assert_eq!(insert_all(&mut tree, &ahead[..1_024]), Ok(()));
    assert_eq!(tree.insert(&ahead[1_024]), Err(TreeError::Full));
    assert_eq!(tree.status(&withheld), None);
    for header in &ahead[..6] {
        tree.add_body(header.id(), &[], &[], Seen::At(1))
            .expect("it is known");
        tree.mark_applied(header.id()).expect("its body is known");
        tip = *header.id();
    }
    assert_eq!(*tree.best(), tip);
    assert_eq!(insert_all(&mut tree, &ahead[1_024..]), Ok(()));
    // Both branches are asked for, half and half.
    let wanted = tree.wanted_bodies(64, |_| false);
    let of_ours = wanted
        .iter()
        .filter(|id| ahead.iter().any(|header| header.id() == *id));
    assert_eq!((wanted.len(), of_ours.count()), (64, 32));
    // What is asked for already is passed over.
    let asked: Vec<_> = wanted[..40].to_vec();
    let next = tree.wanted_bodies(64, |id| asked.contains(id));
    assert!(next.iter().all(|id| !asked.contains(id)));
    assert_eq!(next.len(), 64);
}

#[test]
fn invalid_branches_make_room_first() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let heavy = forge.chain(&forge.genesis(), 10);
    insert_all(&mut tree, &heavy).expect("in order");
    let genesis = forge.genesis();
    while tree.len() < BLOCKS_MAX {
        tree.insert(&forge.child(&genesis, 0, SPACING_MS))
            .expect("there is room");
    }
    tree.invalidate(heavy[2].id(), Fault::Invalid)
        .expect("it is known");
    for last in (2..10).rev() {
        assert!(tree.status(heavy[last].id()).is_some());
        tree.insert(&forge.child(&genesis, 0, SPACING_MS))
            .expect("an invalid block goes");
        assert_eq!(tree.status(heavy[last].id()), None);
    }
    let full = tree.insert(&forge.child(&genesis, 0, SPACING_MS));
    assert_eq!(full, Err(TreeError::Full));
}

#[test]
fn the_root_follows_the_applied_tip() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let depth = usize::try_from(TREE_DEPTH_BLOCKS).expect("a small number");
    let chain = forge.chain(&forge.genesis(), depth + 300);
    let low = forge.chain(chain[9].id(), 3);
    let high = forge.chain(chain[depth].id(), 3);
    for (index, header) in chain.iter().enumerate() {
        apply_all(&mut tree, std::slice::from_ref(header));
        tree.prune_behind(header.id());
        assert!(tree.len() <= depth + 256 + 7);
        if index == 9 || index == depth {
            insert_all(&mut tree, if index == 9 { &low } else { &high }).expect("in order");
        }
    }
    let root = *tree.root();
    assert_eq!(
        tree.header(&root).map(|header| header.height),
        Some(Height::new(256))
    );
    assert_eq!(root, *chain[255].id());
    assert_eq!(tree.status(chain[254].id()), None);
    assert_eq!(tree.status(low[2].id()), None);
    assert!(tree.status(high[2].id()).is_some());
    let tip = *chain[depth + 299].id();
    assert_eq!(*tree.best(), tip);
    let total = 2 * u128::try_from(chain.len()).expect("a small number");
    assert_eq!(tree.score(&tip).map(Score::get), Some(total));

    // The tree goes on working at its new root: contexts, ancestors, branches.
    for header in [&chain[255], &chain[256], &chain[257], &chain[4_000]] {
        let context = tree.header_context(header.id()).expect("it is in the tree");
        assert_eq!(context.parent(), header.header());
    }
    for height in [256u64, 257, 1_000, 8_191] {
        let index = usize::try_from(height).expect("a small number") - 1;
        assert_eq!(
            tree.ancestor(&tip, Height::new(height)),
            Some(*chain[index].id())
        );
    }
    assert_eq!(tree.ancestor(&tip, Height::new(255)), None);
    let branch = forge.chain(&root, 2);
    assert_eq!(insert_all(&mut tree, &branch), Err(TreeError::TooLight));
    let branch = forge.chain(&root, depth);
    assert_eq!(tree.insert_branch(&branch), Ok(()));
    let too_low = forge.child(chain[254].id(), 0, SPACING_MS);
    let parent = *chain[254].id();
    assert_eq!(
        tree.insert(&too_low),
        Err(TreeError::UnknownParent { parent })
    );
}

#[test]
fn a_tree_that_starts_in_the_middle_scores_alike() {
    let mut forge = Forge::new();
    let chain = forge.chain(&forge.genesis(), 6);
    let [below, root, rest @ ..] = &chain[..] else {
        panic!("six blocks")
    };
    assert!(BlockTree::new(*chain[3].header(), None, 12).is_err());
    let mut tree =
        BlockTree::new(*root.header(), Some(*below.header()), 12).expect("two blocks of a chain");
    apply_all(&mut tree, rest);
    assert_eq!(tree.best(), chain[5].id());
    assert_eq!(tree.score(tree.best()).map(Score::get), Some(8));
    assert_eq!(
        tree.header_context(root.id())
            .map(|context| *context.parent()),
        Some(*root.header())
    );
}

#[test]
fn a_locator_is_dense_at_the_tip_and_ends_at_the_root() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let chain = forge.chain(&forge.genesis(), 300);
    apply_all(&mut tree, &chain);
    let height_of = |id| {
        tree.header(id)
            .map_or(u64::MAX, |header| header.height.get())
    };
    let locator = tree.locator(tree.best());
    let heights: Vec<u64> = locator.iter().map(height_of).collect();
    assert_eq!(
        heights,
        [
            300, 299, 298, 297, 296, 295, 294, 293, 292, 291, 289, 285, 277, 261, 229, 165, 37, 0
        ]
    );
    assert!(locator.len() <= LOCATOR_IDS_MAX);
    assert_eq!(tree.locator(&forge.genesis()), [forge.genesis()]);
    assert_eq!(
        tree.locator(forge.child(&forge.genesis(), 0, 1).id()),
        [forge.genesis()]
    );
}

#[test]
fn headers_are_served_from_the_first_common_block_on() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let chain = forge.chain(&forge.genesis(), 50);
    apply_all(&mut tree, &chain);
    let side = forge.chain(chain[19].id(), 5);
    insert_all(&mut tree, &side).expect("in order");

    let heights = |locator: &[chain::BlockId], limit| {
        let headers = tree.headers_after(locator, limit)?;
        Some(
            headers
                .iter()
                .map(|header| header.height.get())
                .collect::<Vec<_>>(),
        )
    };
    // A peer on the side branch learns what comes after the fork.
    let locator = tree.locator(side[4].id());
    assert_eq!(heights(&locator, 4), Some(vec![21, 22, 23, 24]));
    assert_eq!(heights(&locator, 100).map(|all| all.len()), Some(30));
    // A peer at the tip learns nothing; a stranger's chain has nothing in common.
    assert_eq!(heights(&[*tree.best()], 10), Some(vec![]));
    let stranger = forge.child(chain[3].id(), 0, SPACING_MS);
    assert_eq!(tree.headers_after(&[*stranger.id()], 10), None);
    assert_eq!(tree.headers_after(&[], 10), None);
    // A locator is read up to its limit.
    let mut long = vec![*stranger.id(); LOCATOR_IDS_MAX];
    long.push(*chain[0].id());
    assert_eq!(tree.headers_after(&long, 10), None);
}

#[test]
fn votes_in_a_forgotten_block_count_no_more() {
    let mut forge = Forge::new();
    let mut tree = forge.tree();
    let ours = forge.chain(&forge.genesis(), 2);
    apply_all(&mut tree, &ours);
    let voted = *ours[0].id();
    let side = forge.child(&voted, 0, SPACING_MS);
    tree.insert(&side).expect("the parent is known");
    let vote = Inclusion {
        back: 1,
        bond: BondId::new(7),
        seats: 3,
    };
    tree.add_body(side.id(), &[], &[vote], Seen::At(1))
        .expect("it is known");
    assert_eq!(tree.seats(&voted), Some(3));
    // Headers that seem heavier, for the uncles that they count.
    while tree.status(side.id()).is_some() {
        assert!(tree.len() <= BLOCKS_MAX);
        let heavy = forge.child(&forge.genesis(), 2, SPACING_MS);
        tree.insert(&heavy).expect("there is room");
    }
    assert_eq!(tree.seats(&voted), Some(0));
}
