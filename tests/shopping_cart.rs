//! The shopping cart of the Dynamo paper: two writes that did not see each other are both kept, through whichever nodes they went,
//! and the next write that has seen both leaves one.

mod cluster;

use cluster::{Cluster, do_get, do_put, get, place, put, values};

#[tokio::test]
async fn two_writes_with_the_same_context_are_siblings_until_a_write_has_seen_both() {
    let cluster = Cluster::start(3);
    let (a, b, c) = (cluster.nodes[0].client().await, cluster.nodes[1].client().await, cluster.nodes[2].client().await);

    let base = do_put(&a, &put("cart:1", "", None)).await.unwrap();
    let milk = do_put(&a, &put("cart:1", "milk", Some(base.context.clone()))).await.unwrap();
    let eggs = do_put(&b, &put("cart:1", "eggs", Some(base.context))).await.unwrap();
    assert_eq!((milk.siblings, eggs.siblings), (1, 2), "the second write finds the first");

    let found = do_get(&c, &get("cart:1")).await.unwrap();
    assert_eq!(values(&found), ["eggs", "milk"]);
    let dots: Vec<_> = found.versions.iter().map(|version| version.dot).collect();
    assert_ne!(dots[0], dots[1]);

    let merged = do_put(&c, &put("cart:1", "milk, eggs", Some(found.context))).await.unwrap();
    assert_eq!(merged.siblings, 1);
    for client in [&a, &b, &c] {
        assert_eq!(values(&do_get(client, &get("cart:1")).await.unwrap()), ["milk, eggs"]);
    }
    let place = place(&a, "cart:1").await;
    assert_eq!(place.replicas.len(), 3);
}
