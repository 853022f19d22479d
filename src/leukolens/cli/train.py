"""`leukolens train`: a recipe and a dataset to a run folder."""

from pathlib import Path

import click


@click.command(
    "train",
    epilog="Example: leukolens train recipes/pbc.toml --data pbc --split pbc-split.json --out runs/pbc",
)
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data", "data_name", required=True, metavar="NAME", help="Dataset to train on; see `leukolens data list`."
)
@click.option(
    "--split",
    "split_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Split file; without it the provided split, or a grouped 64/16/20 where there is none.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The run folder.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one value of the recipe, e.g. optimiser.batch_size=32.",
)
@click.option(
    "--search",
    "trials",
    type=click.IntRange(1),
    metavar="N",
    help="First try N recipes around this one on validation (Optuna); then train the best. Killed, it goes on.",
)
@click.option("--resume", is_flag=True, help="Go on from the last finished epoch.")
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
def command(
    recipe: Path,
    data_name: str,
    split_path: Path | None,
    out: Path,
    overrides: tuple[str, ...],
    trials: int | None,
    resume: bool,
    force: bool,
) -> None:
    """Train a model by a recipe: checkpoints, history, curves and predictions in one run folder."""
    from leukolens.core.files import require_absent
    from leukolens.datasets.registry import open_dataset
    from leukolens.datasets.splits import make_split, read_split
    from leukolens.training.classification.fit import train
    from leukolens.training.detection.recipe import is_detector_recipe
    from leukolens.training.recipe import read_recipe

    if not resume and not (trials and (out / "search.db").is_file()):
        require_absent(out, force)
    if is_detector_recipe(recipe):
        if split_path is not None or trials:
            raise click.UsageError("--split and --search are for classifiers: a detector's recipe draws its own split.")
        _train_detector(recipe, overrides, data_name, out, resume)
        return
    config = read_recipe(recipe, overrides)
    manifest = open_dataset(data_name).cells().labelled()
    if split_path is not None:
        split = read_split(split_path)
    else:
        provided = any(record.part for record in manifest.records)
        kind, shares = ("provided", (0.8, 0.2, 0.0)) if provided else ("grouped", (0.64, 0.16, 0.20))
        split = make_split(manifest, kind, shares, config.seed)
    if split.leaky:
        click.secho(f"This split leaks: {split.why_leaky}", fg="red", err=True)

    if trials:
        from leukolens.training.search import search_recipe

        config = search_recipe(config, manifest, split, out, trials, _report)
        click.echo(f"{out / 'search.csv'}: {trials} recipes tried; the best is trained now.", err=True)
    run = train(config, manifest, split, out, resume, _report)
    click.echo(
        f"{run.path}: weights, predictions and curves are written. Next: leukolens evaluate {run.path} --data {data_name} --out report",
        err=True,
    )


def _train_detector(recipe: Path, overrides: tuple[str, ...], data_name: str, out: Path, resume: bool) -> None:
    from leukolens.datasets.registry import open_dataset
    from leukolens.training.detection.fit import train_detector
    from leukolens.training.detection.recipe import read_detector_recipe

    config = read_detector_recipe(recipe, overrides)
    names = [part.data for part in config.data.fields]
    if data_name != names[0]:
        raise click.UsageError(
            f"This recipe trains on {', '.join(names)}: --data takes the first of them, received {data_name!r}."
        )
    run = train_detector(config, [open_dataset(name) for name in names], out, resume, _report)
    click.echo(
        f"{run.path}: weights, thresholds and curves are written. Next: leukolens export {run.path} --out {out.name}-bundle",
        err=True,
    )


def _report(what: str, done: int, total: int) -> None:
    if done == total or done % 500 == 0:
        click.echo(f"\r{what}: {done} of {total} images", nl=done == total, err=True)
