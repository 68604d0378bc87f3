"""The report: one HTML page of a run, made last."""


rule write_report:
    input:
        grid="results/{city}/grid.json",
        scenes="results/{city}/{period}/scenes.json",
        shown=shown_files,
        assessed=assessed_of_all,
        stacks=picture_stacks,
        checkpoints=lambda w: [
            checkpoint_path(run_of(w), m) for m in run_of(w).config.models
        ],
    output:
        page=report(
            "results/{city}/{period}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"city": "{city}", "period": "{period}"},
        ),
    log:
        "logs/write_report/{city}_{period}.log",
    benchmark:
        "benchmarks/write_report/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        folder=lambda w: run_of(w).folder,
        checkpoints=checkpoint_arguments,
        made=made_arguments,
    shell:
        "python -m lczmap write-report {params.folder:q} {output.page:q} --benchmarks benchmarks "
        "{params.checkpoints} {params.made} > {log:q} 2>&1"
