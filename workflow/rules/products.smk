"""What is made of a map: filtered map, confidence, comparison with other maps, change between periods."""


rule filter_map:
    input:
        lcz="results/{city}/{period}/lcz.tif",
    output:
        filtered="results/{city}/{period}/lcz_filtered.tif",
        names="results/{city}/{period}/lcz_filtered.tif.aux.xml",
    log:
        "logs/filter_map/{city}_{period}.log",
    benchmark:
        "benchmarks/filter_map/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: 2
    shell:
        "NUMBA_NUM_THREADS={threads} python -m lczmap filter-map {input.lcz:q} {output.filtered:q} 2>&1 | tee {log:q}"


use rule filter_map as filter_map_compared with:
    input:
        lcz="results/{city}/{period}/models/{model}/lcz.tif",
    output:
        filtered="results/{city}/{period}/models/{model}/lcz_filtered.tif",
        names="results/{city}/{period}/models/{model}/lcz_filtered.tif.aux.xml",
    log:
        "logs/filter_map/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/filter_map/{city}_{period}_{model}.tsv"


rule write_confidence:
    input:
        probabilities="results/{city}/{period}/probabilities.tif",
    output:
        confidence="results/{city}/{period}/confidence.tif",
    log:
        "logs/write_confidence/{city}_{period}.log",
    benchmark:
        "benchmarks/write_confidence/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    shell:
        "python -m lczmap write-confidence {input.probabilities:q} {output.confidence:q} > {log:q} 2>&1"


use rule write_confidence as write_confidence_compared with:
    input:
        probabilities="results/{city}/{period}/models/{model}/probabilities.tif",
    output:
        confidence="results/{city}/{period}/models/{model}/confidence.tif",
    log:
        "logs/write_confidence/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/write_confidence/{city}_{period}_{model}.tsv"


rule compare_maps:
    input:
        lcz=compared_map,
        other_map=other_map_file,
    output:
        agreement="results/{city}/{period}/other_maps/{other}/agreement.json",
        difference="results/{city}/{period}/other_maps/{other}/difference.tif",
        difference_names="results/{city}/{period}/other_maps/{other}/difference.tif.aux.xml",
        on_grid="results/{city}/{period}/other_maps/{other}/other.tif",
        on_grid_names="results/{city}/{period}/other_maps/{other}/other.tif.aux.xml",
        picture=report(
            "results/{city}/{period}/other_maps/{other}/difference.png",
            caption="../report/comparison.rst",
            category="Other maps",
            labels={"city": "{city}", "period": "{period}", "map": "{other}"},
        ),
    log:
        "logs/compare_maps/{city}_{period}_{other}.log",
    benchmark:
        "benchmarks/compare_maps/{city}_{period}_{other}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        band=other_map_band,
        seed=setting("training.seed"),
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}, and {w.other}",
    shell:
        "python -m lczmap compare-maps {input.lcz:q} {input.other_map:q} {output.agreement:q} {output.difference:q} "
        "{output.on_grid:q} --picture {output.picture:q} --band {params.band} --seed {params.seed} "
        "--title {params.title:q} 2>&1 | tee {log:q}"


rule map_change:
    input:
        earlier="results/{city}/{period}/lcz.tif",
        earlier_probabilities="results/{city}/{period}/probabilities.tif",
        later="results/{city}/{later}/lcz.tif",
        later_probabilities="results/{city}/{later}/probabilities.tif",
    output:
        change="results/{city}/changes/{period}_to_{later}/change.tif",
        record="results/{city}/changes/{period}_to_{later}/change.json",
        picture=report(
            "results/{city}/changes/{period}_to_{later}/change.png",
            caption="../report/change.rst",
            category="Change",
            labels={"city": "{city}", "from": "{period}", "to": "{later}"},
        ),
    log:
        "logs/map_change/{city}_{period}_to_{later}.log",
    benchmark:
        "benchmarks/map_change/{city}_{period}_to_{later}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        title=lambda w: f"{w.city}, from {w.period} to {w.later}",
    shell:
        "python -m lczmap map-change {input.earlier:q} {input.earlier_probabilities:q} {input.later:q} "
        "{input.later_probabilities:q} {output.change:q} {output.record:q} --picture {output.picture:q} "
        "--title {params.title:q} 2>&1 | tee {log:q}"
