"""An example of every command, which ends its help. Tests parse all of them and run those that are cheap.

They go together: the run is that of the README's quickstart, and files are called as in the README. Lines are short
enough for a terminal of 80 columns.
"""

EXAMPLES = {
    "": "tunebench run --limit 4\ntunebench report results/quick",
    "run": "tunebench run my_run.yaml --limit 2 --set executor.workers=1\n"
    "tunebench run --model composer-loose,sd=0.03 --metric kad --limit 2 --out x",
    "score": "tunebench score my_clips more_clips --suite quick@1 --metric rhythm-grid\n"
    "tunebench score results/quick --import mos.csv --column mos,direction=higher",
    "leaderboard": "tunebench leaderboard results/quick --by genre",
    "compare": "tunebench compare results/quick composer composer-offkey",
    "report": "tunebench report results/quick --audio mp3",
    "merge": "tunebench merge results/array",
    "export": "tunebench export scores results/quick scores.csv",
    "export scores": "tunebench export scores results/quick scores.parquet",
    "export bundle": "tunebench export bundle results/quick quick.zip",
    "export hf": "tunebench export hf results/quick dataset --model composer --licence cc0-1.0",
    "export wandb": "tunebench export wandb results/quick --project music --audio 3",
    "export mlflow": "tunebench export mlflow results/quick --experiment music",
    "export midi": "tunebench export midi results/quick midi --model composer",
    "verify": "tunebench verify quick.zip",
    "board": "tunebench board quick.zip --out site --title 'Jazz models'",
    "reference": "tunebench reference show my.safetensors",
    "reference build": "tunebench reference build music --embedder musicnn-msd --out my.safetensors",
    "reference import": "tunebench reference import pop.npz --embedder vggish --out pop.safetensors",
    "reference show": "tunebench reference show my.safetensors",
    "check": "tunebench check run results/quick",
    "check model": "tunebench check model composer --duration 3",
    "check memorisation": "tunebench check memorisation results/tuned --data train.yaml",
    "check run": "tunebench check run results/quick",
    "check metrics": "tunebench check metrics --quick --duration 5 --metric key-adherence",
    "models": "tunebench models make-tiny stable-audio tiny",
    "models make-tiny": "tunebench models make-tiny stable-audio tiny --adapter tiny-lora",
    "train": "tunebench train run train.yaml --out trained",
    "train recipe": "tunebench train recipe audioldm-lora --out paper --dry-run",
    "train run": "tunebench train run train.yaml --out trained",
    "train merge": "tunebench train merge trained/adapter merged",
    "train speed": "tunebench train speed train.yaml --steps 2",
    "survey": "tunebench survey analyze ratings.csv --plots plots",
    "survey analyze": "tunebench survey analyze ratings.csv --margin 0.5 --markdown survey.md",
    "survey template": "tunebench survey template results/quick --for google-forms --out survey",
    "survey new": "tunebench survey new results/quick --out my_test --listeners 10 --minutes 15",
    "survey serve": "tunebench survey serve my_test --port 8000",
    "survey pages": "tunebench survey pages my_test --out site",
    "survey answers": "tunebench survey answers my_test -o answers.csv",
    "survey power": "tunebench survey power --listeners 5,10 --prompts 12 --scale 1-5 --runs 100",
    "survey agree": "tunebench survey agree results/quick ratings.csv",
    "list": "tunebench list parameters stable-audio",
    "schema": "tunebench schema run --out run.schema.json",
    "doctor": "tunebench doctor",
}
