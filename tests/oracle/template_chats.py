"""Conversations for chat templates: the variables that transformers would pass on."""

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "The city's name"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                                     "days": {"type": "integer", "default": 1}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["city"]}}}
CLOCK = {"type": "function", "function": {"name": "now", "description": "The time.\nIn UTC.", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "tags": ["a", "b"]}}}
TWO = [CALL, {"id": "call00002", "type": "function", "function": {"name": "now", "arguments": {}}}]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "  You are terse.\n"}
HELLO = [user("Hello! "), assistant("Hi, <you>.\n"), user("What is 2 + 2?")]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "Look at "}, {"type": "text", "text": "this."}]}]
TOOLS_USED = [SYSTEM, user("Weather in Zürich?"), {"role": "assistant", "content": "", "tool_calls": [CALL]},
              {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"temp\": 21.5}"}, assistant("21.5 °C."), user("Thanks")]
TWO_CALLS = [user("Weather and time?"), {"role": "assistant", "tool_calls": TWO}, {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "sunny"},
             {"role": "tool", "name": "now", "tool_call_id": "call00002", "content": "12:00"}]
REASONED = [user("Think."), assistant("<think>\nhm\n</think>\n\nDone."), user("Again."), assistant("Yes.", reasoning_content="because", thinking="because")]

CHATS = {
    "one": {"messages": [user("Hi")]},
    "one, prompt": {"messages": [user("Hi")], "add_generation_prompt": True},
    "hello": {"messages": HELLO},
    "hello, prompt": {"messages": HELLO, "add_generation_prompt": True},
    "system": {"messages": [SYSTEM, *HELLO], "add_generation_prompt": True},
    "system alone": {"messages": [SYSTEM]},
    "empty system": {"messages": [{"role": "system", "content": ""}, user("x")], "add_generation_prompt": True},
    "assistant last": {"messages": [user("a"), assistant(" b ")]},
    "assistant first": {"messages": [assistant("b"), user("a")]},
    "two users": {"messages": [user("a"), user("b")]},
    "unknown role": {"messages": [user("a"), {"role": "narrator", "content": "b"}]},
    "developer": {"messages": [{"role": "developer", "content": "d"}, user("a")], "add_generation_prompt": True},
    "parts": {"messages": PARTS, "add_generation_prompt": True},
    "tools": {"messages": [user("Weather?")], "tools": [WEATHER, CLOCK], "add_generation_prompt": True},
    "tools, system": {"messages": [SYSTEM, user("Weather?")], "tools": [WEATHER], "add_generation_prompt": True},
    "tools used": {"messages": TOOLS_USED, "tools": [WEATHER, CLOCK], "add_generation_prompt": True},
    "tools used, none given": {"messages": TOOLS_USED, "add_generation_prompt": True},
    "two calls": {"messages": TWO_CALLS, "tools": [WEATHER, CLOCK], "add_generation_prompt": True},
    "arguments as text": {"messages": [user("a"), {"role": "assistant", "tool_calls": [{"id": "call00001", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}], "tools": [CLOCK]},
    "reasoned": {"messages": REASONED, "add_generation_prompt": True},
    "thinking off": {"messages": HELLO, "add_generation_prompt": True, "enable_thinking": False, "thinking": False},
    "thinking on": {"messages": HELLO, "add_generation_prompt": True, "enable_thinking": True, "thinking": True},
    "documents": {"messages": HELLO, "documents": [{"title": "T", "text": "words", "doc_id": 1}], "add_generation_prompt": True},
    "unicode": {"messages": [user("naïve — 你好 🌞\u200b\t\"q\" \\ '"), assistant("\u2028x")], "add_generation_prompt": True},
    "date": {"messages": [SYSTEM, user("a")], "date_string": "26 Jul 2024", "add_generation_prompt": True},
    "empty content": {"messages": [user("")], "add_generation_prompt": True},
    "knobs": {"messages": HELLO, "tools_in_user_message": False, "builtin_tools": ["code_interpreter"], "tools": [CLOCK], "reasoning_effort": "high"},
}
