//! The metadata contract, over the demo catalogue and over TMDb's wire format.

use std::sync::Arc;

use watchme::adapters::metadata::{DemoCatalogue, TmdbHttp, TmdbSettings};
use watchme_actors::{ports::SystemClock, testing::contracts::metadata::MetadataPorts};

use crate::support::tmdb_double::{TmdbDouble, V3_KEY, V4_TOKEN};

async fn demo() -> MetadataPorts {
    let source = DemoCatalogue::new(Arc::new(SystemClock)).unwrap();
    MetadataPorts { source: Arc::new(source), keep: Box::new(()) }
}

async fn tmdb(key: &str) -> MetadataPorts {
    let double = TmdbDouble::start().await;
    let settings = TmdbSettings::new(double.url(), key.parse().unwrap());
    let source = TmdbHttp::new(settings, Arc::new(SystemClock)).unwrap();
    MetadataPorts { source: Arc::new(source), keep: Box::new(double) }
}

async fn tmdb_v3() -> MetadataPorts {
    tmdb(V3_KEY).await
}

async fn tmdb_v4() -> MetadataPorts {
    tmdb(V4_TOKEN).await
}

mod demo_catalogue {
    watchme_actors::metadata_contract!(super::demo);
}

mod tmdb_with_v3_key {
    watchme_actors::metadata_contract!(super::tmdb_v3);
}

mod tmdb_with_v4_token {
    watchme_actors::metadata_contract!(super::tmdb_v4);
}
