//! The system shapes that operators build: figures 10A to 10D.
use super::Plan;

impl Plan {
    /// Figure 10A: C alone, which is everybody's home too.
    pub fn shape_a() -> Self {
        let all = ["sip_core", "participating", "controlling", "deferred"];
        Self::empty().node("C", &all, &["a.example", "b.example"])
    }

    /// Figure 10B: PF-A and PF-B, and C behind PF-B.
    pub fn shape_b() -> Self {
        let home = ["sip_core", "participating"];
        Self::empty()
            .node("PF-A", &home, &["a.example"])
            .node("PF-B", &home, &["b.example"])
            .node("C", &["deferred"], &["b.example"])
            .route("PF-A", "b.example", "PF-B")
            .route("PF-B", "a.example", "PF-A")
            .neighbour("PF-B", "deferred", "C")
            .neighbour("C", "participating", "PF-B")
            .route("C", "a.example", "PF-A")
    }

    /// Figure 10C: as 10B, with D between the PFs, who owns `x.example`.
    pub fn shape_c() -> Self {
        Self::shape_b()
            .node("D", &["controlling"], &["x.example"])
            .route("PF-A", "x.example", "D")
            .route("PF-B", "x.example", "D")
            .route("C", "x.example", "D")
            .route("D", "a.example", "PF-A")
            .route("D", "b.example", "PF-B")
    }

    /// Figure 10D: as 10C, and the PFs only pass on.
    pub fn shape_d() -> Self {
        Self::shape_c().proxying("PF-A").proxying("PF-B")
    }
}
