"""What the report's page says in Russian beside its tables: frame, errors, methods, several studies, by message id."""

from collections.abc import Mapping

FRAME: Mapping[str, str] = {
    "conclusion.all": "{technique} — самый точный способ ({value}) и лучше всех остальных.",
    "conclusion.some": "{technique} — самый точный способ ({value}): лучше, чем {beaten}, но неотличим от: {others}.",
    "conclusion.none": "{technique} — самый точный способ ({value}), но неотличим от: {others}.",
    "conclusion.tasks": "Задач, на которых что-то лучше угадывания: {tasks}; самый точный способ: {counts}.",
    "conclusion.count": "{technique} на {n} (лучше всех остальных — ни на одной)",
    "conclusion.count.alone": "{technique} на {n} (лучше всех остальных — на {alone})",
    "conclusion.many": "других способов: {n}",
    "html.contents": "На этой странице",
    "html.download": "{title}: скачать как {kind}",
    "live.waiting": "Сейчас ни одна стадия не выполняется.",
    "live.gone": "Сервер остановлен; здесь показано последнее, что он знал.",
    "live.running": "Выполняется {stage}, уже {time}.",
    "live.running.step": "Выполняется {stage}, уже {time}; сохранён шаг {step}.",
    "live.running.evaluated": "Выполняется {stage}, уже {time}; сохранён шаг {step}, доля верных ответов на {split} "
    "пока {accuracy}.",
    "filter.title": "Что показано",
    "filter.model": "Модели",
    "filter.task": "Задачи",
    "filter.technique": "Способы",
    "filter.all": "все",
    "filter.none": "ни одного",
    "filter.note": "Отбираются таблицы и рисунки об отдельных моделях, задачах и способах; предложения и общие рисунки "
    "всегда показывают все способы.",
}
ERRORS: Mapping[str, str] = {
    "errors.title": "Ошибки",
    "errors.title.place": "{model}, {task}",
    "errors.counts": "Тестовых примеров {examples}: верно у всех способов {all_right}, ни у одного {none_right}, "
    "способы расходятся (у одних верно, у других нет) {disagreed}.",
    "errors.majority": "Пример верен у способа, если верен больше чем в половине его зёрен.",
    "errors.slices": "Где способы расходятся: {column}",
    "column.disagreed": "расходятся",
    "column.none_right": "ни у кого не верно",
    "errors.examples": "Примеры, на которых способы расходятся",
    "errors.shown": "Показано {shown} из {disagreed}; первыми те, на которых способы разделились поровну. Какой текст "
    "труден, может быть делом случая: это примеры, а не доказательства.",
    "errors.no_texts": "Тексты этих примеров не хранятся в папке прогона (protocol.keep_texts); строки пронумерованы, "
    "как в тестовых данных.",
    "errors.slice": "Показать",
    "errors.slice.all": "все примеры",
    "errors.slice.value": "{column}: {value}",
    "errors.folded": "Примеров: {n}",
    "errors.row": "Строка {row}",
    "errors.label": "верный ответ: {label}",
    "errors.answer": "{answer}:",
    "errors.right": "верно",
    "errors.wrong": "неверно",
    "errors.seeds": "{technique} ({given} из {seeds})",
    "errors.confusion": "Матрицы ошибок",
    "errors.confusion.note": "Строки — метки, столбцы — ответы; числа — ответы на тестовые примеры по всем завершённым "
    "зёрнам, цвет — их доля в строке.",
    "errors.confusion.title": "{technique}: {seeds}",
    "errors.confusion.many": "Классов слишком много, чтобы матрицы можно было прочесть.",
    "errors.confusion.corner": "метка / ответ",
}
CHOICES: Mapping[str, str] = {
    "html.choices": "Что выбрать",
    "column.limit": "предел",
    "column.take": "брать",
    "column.why": "почему",
    "choice.no_limit": "нет",
    "choice.time": "время: {limit}",
    "choice.memory": "пик памяти: {limit}",
    "choice.at_chance": "Там ничто не лучше угадывания: никакой выбор не лучше другого.",
    "choice.caption": "Самый быстрый из тех способов в этих пределах, про которые не известно, что другой из них "
    "лучше. Пределов нет между временами, отличающимися меньше чем в {seconds:g} раза, и пиками — меньше чем в "
    "{memory:g} раза: настолько может отличаться один прогон от другого.",
}
METHODS: Mapping[str, str] = {
    "html.paper": "Для статьи",
    "html.paper.note": "Что сделано в этом исследовании, готовым для статьи абзацем, и источники того, что "
    "использовано.",
    "html.bibtex": "Источники в BibTeX",
    "html.save": "Скачать как {name}",
    "methods.on": "задаче {tasks}",
    "methods.on.many": "задачах {tasks}",
    "methods.compared": "Мы сравнили способы дообучения {models} на {on}: {techniques}.",
    "methods.one": "Для дообучения {models} на {on} использован способ: {techniques}.",
    "methods.then": " с последующим способом: ",
    "methods.named": "{technique} под именем '{name}'",
    "methods.model": "{model} ({architecture}, слоёв: {layers}, размер скрытого слоя: {hidden}, параметров: "
    "{parameters}) даёт один вектор на текст ({pooling}); тексты обрезаны до {max_length} токенов.",
    "methods.head": "Параметров в классифицирующей голове: {n}.",
    "methods.native": "Использована собственная классифицирующая голова модели.",
    "methods.prefix": "Перед каждым текстом стоит {value}.",
    "methods.template": "Два текста читаются как один по шаблону {value}.",
    "methods.load": "Веса загружены в {value}.",
    "pooling.mean": "среднее по токенам",
    "pooling.last": "последний токен",
    "pooling.first": "первый токен",
    "methods.trained": "Обучаемых параметров: {trained}.",
    "methods.trained.one": "{n} ({technique})",
    "methods.at": "{place}: {values}",
    "at.model": "модель {models}",
    "at.models": "модели {models}",
    "at.task": "задача {tasks}",
    "at.tasks": "задачи {tasks}",
    "at.both": "{models}, {tasks}",
    "methods.classes": "{task} (классов: {n})",
    "methods.data": "Примеры задачи {tasks}: {used}.",
    "methods.data.many": "Примеры каждой из задач {tasks}: {used}.",
    "methods.use.train": "для обучения {n}",
    "methods.use.dev": "для выбора {n}",
    "methods.use.test": "для проверки {n}",
    "methods.limit": "Использованы только первые примеры каждой выборки, по {n} ({tasks}).",
    "methods.drop_overlap": "Обучающие примеры, у которых группа или тексты общие с примерами для выбора или проверки, "
    "удалены ({tasks}).",
    "methods.also": "Те же модели измерены и на других выборках: {names}.",
    "methods.folds": "Результаты получены перекрёстной проверкой, блоков: {folds}.",
    "methods.budget": "Каждая стадия обучалась оптимизатором AdamW{optimizer}; шагов: {steps}, примеров на шаг: "
    "{batch_size}.",
    "methods.budget.other": "Каждая из других стадий обучалась оптимизатором AdamW{optimizer}; шагов: {steps}, "
    "примеров на шаг: {batch_size}.",
    "methods.fitted": "Подобраны сразу на векторах обучающих примеров, без градиентных шагов: {techniques}.",
    "protocol.other_steps": "Прочие стадии обучались {steps} шагов оптимизатора, примеров в шаге: {batch_size}.",
    "methods.schedule": "Если у способа не задано иное, затухание весов равно {weight_decay}, а темп обучения "
    "{schedule} после разогрева на {warmup:.0%} шагов.",
    "methods.clip": "Норма градиента ограничена числом {norm}.",
    "methods.of": "{value} ({technique})",
    "methods.rates": "Темпы обучения: {rates}.",
    "methods.settings": "Прочие настройки: {settings}.",
    "methods.targets": "адаптеры на проекциях запросов и значений",
    "methods.last_stage": "У способов из нескольких стадий это темпы и настройки последней.",
    "methods.seed": "Зерно одно; порядок примеров у всех способов одинаков.",
    "methods.seeds": "Зёрен: {n}; при одном зерне порядок примеров у всех способов одинаков.",
    "methods.tuned": "Настройки выбраны на выборке для выбора ({by}); случайных проб у каждого способа: {trials}, "
    "первая — с его собственными настройками.",
    "methods.tuned.span": "Темпы обучения взяты от значений в {span} раз ниже собственного до значений в {span} раз "
    "выше, равномерно по логарифму.",
    "methods.tuned.from": "{setting} у {technique} из {values}",
    "methods.tuned.space": "Кроме того, выбирались: {drawn}.",
    "methods.tuned.space.rates": "Из списков выбирались: {drawn}; темпы в них — вместо этого промежутка.",
    "methods.tuned.share": "Проба занимала {share:.0%} шагов прогона.",
    "methods.best": "На каждой стадии оставлены веса, лучшие на выборке для выбора ({by}).",
    "methods.best.other": "На каждой из других стадий оставлены веса, лучшие на выборке для выбора ({by}).",
    "methods.last": "Приводятся веса после последнего шага.",
    "methods.watched_test": "Кривые обучения измерены на тестовой выборке; по ним ничего не выбиралось.",
    "methods.interval": "Доли верных ответов даны с 95%-ми интервалами по зёрнам и примерам.",
    "methods.interval.examples": "Доли верных ответов даны с 95%-ми интервалами по тестовым примерам{cite}.",
    "methods.pairs": "Способы сравнивались попарно на одних и тех же тестовых примерах: {tests}, двусторонний, с "
    "поправкой Холма{cite} на число пар, {pairs}, при уровне 5%.",
    "methods.race": "Зёрна добавлялись, пока не стало ясно, какой способ лучше; пары сравнивались на одних и тех же "
    "тестовых примерах: {tests}, двусторонний, при уровне 5%, разделённом на число пар, {pairs}, и между "
    "раундами{cite}.",
    "methods.margin": "Равенство в пределах {margin} п. п. проверялось двумя односторонними критериями{cite}.",
    "methods.ranks": "По задачам способы упорядочены по средней доле верных ответов на каждой{cite}.",
    "methods.friedman": "Различаются ли ранги вообще, проверено тестом Фридмана{cite}.",
    "methods.wilcoxon": "Пары сравнивались по задачам знаково-ранговым тестом Уилкоксона{cite}, точным и двусторонним, "
    "с поправкой Холма{holm} на число пар, {pairs}, при уровне 5%.",
    "methods.mean_difference": "У средних разностей на этих задачах 95%-е интервалы из интервалов отдельных "
    "задач{cite}.",
    "methods.machine": "Обучение выполнено на {devices}, точность вычислений: {precisions}.",
    "methods.software": "Использованы {software}.",
    "methods.library": "{name} {version}",
    "schedule.name.linear": "линейному",
    "schedule.name.cosine": "косинусному",
    "schedule.name.constant": "постоянному",
    "schedule.linear": "линейно убывает до нуля",
    "schedule.cosine": "убывает до нуля по косинусу",
    "schedule.constant": "постоянен",
    "test.exact McNemar": "точный критерий Макнемара",
    "test.generalised p-value over seeds and examples": "обобщённое p-значение по зёрнам и примерам",
    "technique.full": "полное дообучение",
    "technique.linear-probe": "линейная проба",
    "technique.lora-all": "LoRA на всех линейных слоях",
    "technique.top-layers": "дообучение верхних слоёв",
    "technique.prefix": "префиксное дообучение (prefix tuning)",
    "technique.prompt": "дообучение подсказки (prompt tuning)",
    "technique.gradual-unfreezing": "постепенное размораживание",
    "technique.layerwise-decay": "разные темпы обучения по слоям",
    "cite.brackets": "({sources})",
    "cite.one": "{first} {year}",
    "cite.two": "{first} и {last} {year}",
    "cite.many": "{first} и др. {year}",
}
SIDE: Mapping[str, str] = {
    "side.title": "Рядом: {studies}",
    "side.lead": "{studies} поставлены рядом; у каждого исследования есть свой отчёт с оговорками.",
    "side.task": "Способы на задаче {task}",
    "column.study": "исследование",
    "side.settings": "Настройки, которые различаются",
    "side.settings.none": "Настройки исследований одинаковы.",
    "side.settings.caption": "Чего требуют файлы исследований, где это не у всех одинаково; пустое место: не задано. "
    "Доли верных ответов могут различаться из-за всего, что различается кроме способа.",
    "side.pairs": "Пары на одних и тех же тестовых строках: {studies}",
    "side.pairs.note": "Эти исследования измерены на одних и тех же тестовых строках, поэтому их способы сравниваются "
    "пример за примером, как внутри одного исследования; все пары — одно семейство. Пара из разных исследований "
    "различается и настройками.",
    "side.joined": "Обучены в нескольких исследованиях с одними зёрнами и дали одни и те же ответы, поэтому в парах "
    "это один способ: {entries}.",
    "side.alone": "На тестовых строках {studies} других исследований здесь нет, поэтому парный критерий невозможен; "
    "доли верных ответов можно лишь поставить рядом с другими вместе с их интервалами.",
    "side.ranks": "Доли верных ответов всех исследований и что неразличимо",
    "side.folders": "Где лежат исследования",
    "side.figure": "{task}: {studies}",
}
