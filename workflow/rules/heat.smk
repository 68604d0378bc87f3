"""Urban heat island: temperatures of the Local Climate Zones, and where to put thermometers."""


rule measure_heat:
    input:
        lcz="results/{city}/{period}/lcz_filtered.tif",
        air=temperature_file("air"),
        surface=temperature_file("surface"),
        confidence=temperature_confidence,
    output:
        heat="results/{city}/{period}/heat/heat.json",
        table="results/{city}/{period}/heat/heat.csv",
        picture=report(
            "results/{city}/{period}/heat/heat.png",
            caption="../report/heat.rst",
            category="Heat island",
            labels={"city": "{city}", "period": "{period}", "picture": "heat island"},
        ),
    log:
        "logs/measure_heat/{city}_{period}.log",
    benchmark:
        "benchmarks/measure_heat/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        options=temperature_arguments,
    shell:
        "python -m lczmap measure-heat {input.lcz:q} {output.heat:q} {output.table:q} {output.picture:q} "
        "{params.options} 2>&1 | tee {log:q}"


rule propose_sensors:
    input:
        lcz="results/{city}/{period}/lcz_filtered.tif",
    output:
        places="results/{city}/{period}/heat/sensors.gpkg",
        decisions="results/{city}/{period}/heat/sensors.json",
        picture=report(
            "results/{city}/{period}/heat/sensors.png",
            caption="../report/sensors.rst",
            category="Heat island",
            labels={"city": "{city}", "period": "{period}", "picture": "sensors"},
        ),
    log:
        "logs/propose_sensors/{city}_{period}.log",
    benchmark:
        "benchmarks/propose_sensors/{city}_{period}.tsv"
    conda:
        "../../envs/lczmap.yaml"
    params:
        sensors=setting("temperature.sensors"),
        clearance=setting("temperature.clearance_m"),
    shell:
        "python -m lczmap propose-sensors {input.lcz:q} {output.places:q} {output.decisions:q} {output.picture:q} "
        "--sensors {params.sensors} --clearance {params.clearance} 2>&1 | tee {log:q}"
