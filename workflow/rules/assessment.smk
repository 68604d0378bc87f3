"""The accuracy report on reference polygons in draws and pictures; the quality of training areas before training."""


rule check_areas:
    input:
        grid="results/{city}/grid.json",
        areas=drawn_areas,
        stacks=examined_stacks,
    output:
        table=report(
            "results/{city}/{period}/area_quality.csv",
            caption="../report/areas.rst",
            category="Training areas",
            labels={"city": "{city}", "period": "{period}"},
        ),
        polygons="results/{city}/{period}/area_quality.gpkg",
        summary="results/{city}/{period}/area_quality.json",
    log:
        "logs/check_areas/{city}_{period}.log",
    benchmark:
        "benchmarks/check_areas/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        field=field_argument,
    shell:
        "python -m lczmap check-areas {input.grid:q} {input.areas:q} {output.table:q} {output.polygons:q} "
        "{output.summary:q} {params.field} {input.stacks:q} 2>&1 | tee {log:q}"


rule bootstrap_accuracy:
    input:
        grid="results/{city}/grid.json",
        lcz=resampled_map,
        patches=reference_patches,
        stacks=retraining_stacks,
    output:
        bootstraps="results/{city}/{period}/bootstraps.json",
    log:
        "logs/bootstrap_accuracy/{city}_{period}.log",
    benchmark:
        "benchmarks/bootstrap_accuracy/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    threads: bootstrap_threads
    params:
        how=bootstrap_arguments,
        draws=setting("accuracy.bootstraps"),
        seed=setting("training.seed"),
    shell:
        "python -m lczmap bootstrap-accuracy {input.grid:q} {input.patches:q} {output.bootstraps:q} {params.how} "
        "--threads {threads} --count {params.draws} --seed {params.seed} > {log:q} 2>&1"


use rule bootstrap_accuracy as bootstrap_accuracy_compared with:
    input:
        grid="results/{city}/grid.json",
        lcz=resampled_map,
        patches=reference_patches,
        stacks=retraining_stacks,
    output:
        bootstraps="results/{city}/{period}/models/{model}/bootstraps.json",
    log:
        "logs/bootstrap_accuracy/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/bootstrap_accuracy/{city}_{period}_{model}.tsv"


rule draw_accuracy:
    input:
        accuracy="results/{city}/{period}/accuracy.json",
        bootstraps="results/{city}/{period}/bootstraps.json",
    output:
        boxes=report(
            "results/{city}/{period}/accuracy.png",
            caption="../report/accuracy.rst",
            category="Accuracy",
            labels={"city": "{city}", "period": "{period}", "picture": "box plot"},
        ),
        confusion=report(
            "results/{city}/{period}/confusion.png",
            caption="../report/confusion.rst",
            category="Accuracy",
            labels={"city": "{city}", "period": "{period}", "picture": "confusion"},
        ),
        calibration=report(
            "results/{city}/{period}/calibration.png",
            caption="../report/calibration.rst",
            category="Accuracy",
            labels={"city": "{city}", "period": "{period}", "picture": "calibration"},
        ),
    log:
        "logs/draw_accuracy/{city}_{period}.log",
    benchmark:
        "benchmarks/draw_accuracy/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}",
        palette=setting("map.palette"),
    shell:
        "python -m lczmap draw-accuracy {input.accuracy:q} {input.bootstraps:q} {output.boxes:q} {output.confusion:q} "
        "{output.calibration:q} --title {params.title:q} --palette {params.palette} > {log:q} 2>&1"


use rule draw_accuracy as draw_accuracy_compared with:
    input:
        accuracy="results/{city}/{period}/models/{model}/accuracy.json",
        bootstraps="results/{city}/{period}/models/{model}/bootstraps.json",
    output:
        boxes=report(
            "results/{city}/{period}/models/{model}/accuracy.png",
            caption="../report/accuracy.rst",
            category="Accuracy",
            labels={
                "city": "{city}",
                "period": "{period}",
                "network": "{model}",
                "picture": "box plot",
            },
        ),
        confusion=report(
            "results/{city}/{period}/models/{model}/confusion.png",
            caption="../report/confusion.rst",
            category="Accuracy",
            labels={
                "city": "{city}",
                "period": "{period}",
                "network": "{model}",
                "picture": "confusion",
            },
        ),
        calibration=report(
            "results/{city}/{period}/models/{model}/calibration.png",
            caption="../report/calibration.rst",
            category="Accuracy",
            labels={
                "city": "{city}",
                "period": "{period}",
                "network": "{model}",
                "picture": "calibration",
            },
        ),
    log:
        "logs/draw_accuracy/{city}_{period}_{model}.log",
    benchmark:
        "benchmarks/draw_accuracy/{city}_{period}_{model}.tsv"
    params:
        title=lambda w: f"{w.city}, {run_of(w).config.start} to {run_of(w).config.end}, {w.model}",
