"""What a served model folder has beside its weights: generation settings, chat template, model card.

A file that the base brings stays as it is; only what is lacking is written. The card is always ours.
"""

from collections.abc import Mapping
from pathlib import Path

from arabic_r1_jax import artifacts
from arabic_r1_jax.data.prefix import DEFAULT
from arabic_r1_jax.data.tokenizers import ASSISTANT, BOS, END_THINK, EOS, USER, load_tokenizer
from arabic_r1_jax.errors import UserError

CARD, TEMPLATE, GENERATION, TOKENIZER_CONFIG = (
    "README.md",
    "chat_template.jinja",
    "generation_config.json",
    "tokenizer_config.json",
)
# DeepSeek-R1's model card, "Usage Recommendations".
_SAMPLING = {"do_sample": True, "temperature": 0.6, "top_p": 0.95}

# The rendering of `data.chat`, in Jinja; `chat_template` puts the pieces in.
_TEMPLATE = """\
{{- 'BOS' -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{- message.content -}}
{%- elif message.role == 'user' -%}{{- 'USER' + message.content -}}
{%- elif loop.last -%}{{- 'ASSISTANT' + message.content + 'EOS' -}}
{%- else -%}{{- 'ASSISTANT' + message.content.split('END_THINK')[-1] + 'EOS' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'ASSISTANTOPENING' -}}{%- endif -%}
"""

_CARD = """\
---
language: [ar, en]
pipeline_tag: text-generation
library_name: transformers
---

# {name}

A DeepSeek mixture-of-experts model ({parameters:,} parameters, weights in {dtype}) with a LoRA adapter merged into it
by arabic-r1-jax; no adapter is needed to run it. The base's licence applies to it; read the base's card for that, for
its training and for its limits.

| | |
|---|---|
| base | `{base}` (sha256 {base_sha}) |
| adapter | rank {rank}, alpha {alpha:g}, on {targets} (sha256 {adapter_sha}) |
| thinking | prefix policy `{prefix}`: {prefix_means} |

```
vllm serve {name} --reasoning-parser deepseek_r1
```

Sample with temperature 0.6 and top-p 0.95, and put instructions into the user's turn.

<div dir="rtl">

## نموذج مكيَّف للعربية

نموذج لغوي من نماذج DeepSeek ذات الخبراء المتعددين، كُيِّف بمحوِّل LoRA دُمجت أوزانه فيه، فلا يحتاج تشغيله إلى محوِّل.
تسري عليه رخصة النموذج الأصل، وفي بطاقة الأصل وصف تدريبه وحدوده. يُستحسن أن تكون الحرارة 0.6، وأن توضع التعليمات في كلام
المستخدم.

</div>
"""
_MEANS = {"think_nl": "the prompt opens `<think>`", "none": "the model opens `<think>` itself"}


def chat_template(prefix: str) -> str:
    """The chat template of DeepSeek-R1 in Jinja: the same text of which `data.chat.messages_prompt` gives the ids."""
    opening = "<think>\\n" if prefix == "think_nl" else ""
    pieces = {"END_THINK": END_THINK, "OPENING": opening, "BOS": BOS, "USER": USER, "ASSISTANT": ASSISTANT, "EOS": EOS}
    text = _TEMPLATE
    for name, piece in pieces.items():
        text = text.replace(name, piece)
    return text


def complete(folder: Path, config: Mapping[str, object], prefix: str = DEFAULT) -> None:
    """Write what a server needs and `folder` lacks: generation_config.json and, for a chat tokenizer, the template."""
    if not (folder / GENERATION).is_file():
        ids = {key: config[key] for key in ("bos_token_id", "eos_token_id") if config.get(key) is not None}
        artifacts.write_json(folder / GENERATION, {**ids, **_SAMPLING})
    tokenizer = load_tokenizer(folder)
    has_template = (folder / TEMPLATE).is_file()
    if (folder / TOKENIZER_CONFIG).is_file() and not has_template:
        settings = artifacts.read_json(folder / TOKENIZER_CONFIG)
        if not isinstance(settings, dict):
            raise UserError(f"{folder / TOKENIZER_CONFIG} is not a JSON object")
        has_template = bool(settings.get("chat_template"))
    if tokenizer and not has_template and None not in (tokenizer.user_id, tokenizer.assistant_id, tokenizer.think_id):
        artifacts.write_text(folder / TEMPLATE, chat_template(prefix))


def write_card(folder: Path, name: str, prefix: str, **facts: object) -> None:
    """Write README.md, the model card. facts: parameters, dtype, base, base_sha, rank, alpha, targets, adapter_sha."""
    targets = ", ".join(facts.pop("targets"))
    text = _CARD.format(name=name, prefix=prefix, prefix_means=_MEANS[prefix], targets=targets, **facts)
    artifacts.write_text(folder / CARD, text)
