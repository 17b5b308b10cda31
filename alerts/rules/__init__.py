"""When a rule fires: compiled once (`book`), decided without a database (`evaluate`) on facts (`facts`), with what was
seen before where a rule asks for that (`history`), and raised once for as long as its cooldown lasts (`raising`)."""
