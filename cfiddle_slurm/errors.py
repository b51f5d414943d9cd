class ResultRejected(Exception): 
  def __init__(self,*a,**k): super().__init__(*a)
class InputError(ResultRejected): pass
