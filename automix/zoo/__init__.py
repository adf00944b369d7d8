"""The zoo: policies that won in earlier studies, here or elsewhere, and what they are worth to a new data set.

    document.py   what is known of a winner, and the file that carries winners from one work folder to another
    winners.py    winners of the studies in a work folder's database
    distance.py   how alike two data sets are
    recall.py     which winners to try first on new data
    arms.py       those as reference arms of a study
    exchange.py   export and import

Import from the modules: those about files and winners are used without the search.
"""
