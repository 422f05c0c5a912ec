//! Whoever writes again with the context of his last put, without a read in between, supersedes his own write and nothing that
//! others have written meanwhile.

mod cluster;

use cluster::{Cluster, do_get, do_put, get, put, values};

#[tokio::test]
async fn a_chain_of_puts_keeps_the_siblings_that_it_has_not_read() {
    let cluster = Cluster::start(3);
    let (mine, other) = (cluster.nodes[0].client().await, cluster.nodes[1].client().await);

    let first = do_put(&mine, &put("k", "mine 1", None)).await.unwrap();
    do_put(&other, &put("k", "unread", None)).await.unwrap();
    let second = do_put(&mine, &put("k", "mine 2", Some(first.context))).await.unwrap();
    assert_eq!(second.siblings, 2);
    let third = do_put(&mine, &put("k", "mine 3", Some(second.context))).await.unwrap();
    assert_eq!(third.siblings, 2);
    assert_eq!(values(&do_get(&other, &get("k")).await.unwrap()), ["mine 3", "unread"]);

    let found = do_get(&mine, &get("k")).await.unwrap();
    let merged = do_put(&mine, &put("k", "both", Some(found.context))).await.unwrap();
    assert_eq!(merged.siblings, 1, "a read has seen them all");
    assert_eq!(values(&do_get(&other, &get("k")).await.unwrap()), ["both"]);
}
