"""What is said in Russian for the English texts that are kept with data and runs, by message id."""

from collections.abc import Mapping

KEPT: Mapping[str, str] = {
    "note.limited": "Из каждой выборки взяты только первые строки, по {limit:,} (limit).",
    "note.dropped": "Из train удалено строк: {dropped:,} из {rows:,}, так как у них то же значение поля {by}, что у "
    "строк dev или test.",
    "note.dropped.texts": "Из train удалено строк: {dropped:,} из {rows:,}, так как их тексты есть и в dev или test.",
    "note.dev": "В dev отделено строк train: {dev:,} из {rows:,}, с сохранением долей меток; строки с одним и тем же "
    "значением поля {by} стоят по одну сторону.",
    "note.dev.texts": "В dev отделено строк train: {dev:,} из {rows:,}, с сохранением долей меток; строки с "
    "одинаковыми текстами стоят по одну сторону.",
    "note.folds": "Перекрёстная проверка: размеченные строки ({rows:,}) разделены на блоки ({folds}) с сохранением "
    "долей меток; строки с одним и тем же значением поля {by} стоят по одну сторону; каждая строка один раз отложена "
    "для проверки. Строки train и dev показаны для блока 0.",
    "note.folds.texts": "Перекрёстная проверка: размеченные строки ({rows:,}) разделены на блоки ({folds}) с "
    "сохранением долей меток; строки с одинаковыми текстами стоят по одну сторону; каждая строка один раз отложена для "
    "проверки. Строки train и dev показаны для блока 0.",
    "note.shared": "Строк {split} с тем же значением поля {by}, что у строк train: {shared:,} из {rows:,}.",
    "note.same": "Строк {split}, которые есть и в train с тем же текстом: {same:,} из {rows:,}.",
    "note.absent": "Метки train, которых нет в {split}: {labels}.",
    "note.unseen": "Метки {split}, которых нет в использованных строках train: {labels}.",
    "note.empty": "Пропущено строк {split} с пустым текстом: {empty:,} из {rows:,}.",
    "note.broken": "В файле {file} пропущено строк, которые не удаётся разобрать: {broken:,} из {lines:,}.",
    "note.before": "Перед каждым текстом через двоеточие стоит значение поля {column}.",
    "note.metrics": "На {task} показатель бенчмарка {benchmark} — {metrics}.",
    "note.further": "{name}: {note}",
    "metrics.accuracy": "доля верных ответов",
    "metrics.mcc": "коэффициент корреляции Мэтьюса (mcc)",
    "metrics.f1": "доля верных ответов и F1 класса '{label}' (f1)",
    "metrics.macro_f1": "доля верных ответов и макро-F1 (macro_f1), а места — по их среднему",
    "metrics.matched": "доля верных ответов на выборках matched и mismatched",
    "task.mini_rte.ru": "mini RTE (на русском, метка {label})",
    "task.mini_rte.en": "mini RTE (на английском, метка {label})",
    "slice.group": "группа в train",
    "slice.column": "{column} в train",
    "slice.seen": "есть в train",
    "slice.unseen": "нет в train",
    "end.lowest": "наименьшее",
    "end.highest": "наибольшее",
    "reason.one_class": "в train только один класс",
    "reason.no_words": "в train нет слов",
    "reason.first_rows": "из строк train ({rows:,}) взяты первые {used:,}",
    "reason.more_classes": "порог разделяет два класса, а их больше",
    "reason.no_cosines": "известны не все косинусы",
    "reason.no_vector": "при такой голове или пулинге у текста нет собственного вектора",
    "reason.right_on_dev": "на dev нет наилучшей температуры: все ответы там верны",
    "reason.right_on_folds": "на некоторых частях test нет наилучшей температуры: все ответы там верны",
    "reason.few_rows": "слишком мало строк",
    "reason.few_evaluations": "для наклона с интервалом нужно оценок: {fewest:d}",
    "reason.loss": "среди потерь есть бесконечность или NaN",
    "reason.logits": "среди логитов есть бесконечность или NaN",
    "reason.no_predictions": "предсказания на {split} не сохранены",
    "reason.unrecorded": "причина не записана",
    "reason.stage": "не удалась стадия {chain}: {reason}",
    "reason.place": "{reason} ({facts})",
    "reason.diverged": "потери или их градиент стали бесконечными или NaN на шаге {step:d}",
    "reason.memory": "не хватило памяти: {error}",
    "reason.memory.advice": "не хватило памяти: {error}; возьмите способ, который обучает меньше весов, или модель "
    "поменьше",
    "facts.step": "шаг {step:d}",
    "facts.rate": "темп обучения {rate:.3g}",
    "facts.norm": "норма градиента {norm:.3g}",
    "facts.no_norm": "норма градиента — бесконечность или NaN",
    "facts.evaluation": "последняя конечная оценка — на шаге {step:d}, {split}: доля верных ответов {accuracy:.3f}, "
    "потери {loss:.3f}",
    "facts.no_evaluation": "до этого конечных оценок не было",
}
