"""The table of what each network of a study costs to run."""

from augdistill.report.tables.layout import Row, Table
from augdistill.results import labels
from augdistill.results.cells import Cell, Cells
from augdistill.results.costs import NetworkCosts
from augdistill.results.study import LABELS, SavedStudy

TITLES = (
    "Model",
    "Weights, k",
    "MACs, M",
    "File, MB",
    "Latency, ms",
    "p99, ms",
    "Images/s",
    "Best accuracy, %",
    "with",
)


def accuracies(saved: SavedStudy, cells: Cells, network: NetworkCosts) -> dict[str, Cell]:
    """Return the accuracy of a network by its teacher's strategy, or of a teacher by its own."""
    by_aug = {arm[2]: arm for arm in network.arms}
    found = {aug: cells.get(by_aug[aug], "accuracy", saved.test_set) for aug in (*saved.augs, LABELS) if aug in by_aug}
    return {aug: cell for aug, cell in found.items() if cell is not None and cell.n}


def called(network: NetworkCosts) -> str:
    """Return what a network is called: LeNet student."""
    name = f"{labels.model(network.model)} {network.role}"
    return f"{name}, {labels.variant(network.variant)}" if network.variant else name


def what_it_costs(saved: SavedStudy, cells: Cells) -> Table | str:
    """Size, latency, throughput and the best mean accuracy of each network."""
    rows = [Row(line(saved, cells, network), ()) for network in saved.costs]
    machines = " and ".join(dict.fromkeys(network.hardware for network in saved.costs))
    notes = (
        f"On one thread of {machines}, PyTorch in float32, from bytes to logits: median latency of a single image, and "
        "p99, within which 99 % of the repetitions stayed; images per second in batches of 128.",
        "Weights in thousands. MACs: millions of multiply-accumulates for an image, in convolutions and linear layers. "
        "Best accuracy: the highest mean over blocks.",
    )
    return Table("table-costs", TITLES, (), tuple(rows), notes, ())


def line(saved: SavedStudy, cells: Cells, network: NetworkCosts) -> tuple[str, ...]:
    """Return the texts of a network's row."""
    costs, found = network.manifest, accuracies(saved, cells, network)
    best = max(found, key=lambda aug: found[aug].mean, default=None)
    sizes = ((costs.parameters / 1e3, 1), (costs.macs / 1e6, 2), (costs.bytes / 1e6, 2))
    times = ((costs.latency_p50, 3), (costs.latency_p99, 3), (costs.images_per_second, 0))
    reached = (found[best].shown(found[best].mean), labels.strategy(best)) if best is not None else ("–", "–")
    return (called(network), *(labels.number(value, places) for value, places in (*sizes, *times)), *reached)
